"""What every step and operation is made with: pyinfra's decorators, by which a fault is that of one host.

In pyinfra, an error that the deploy code of one host raises ends the run for all. With these, that host is
left out and says why, the others go on to their end, and the run ends with exit code 1.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from functools import wraps
from typing import Any, NoReturn, ParamSpec

from gevent import GreenletExit  # type: ignore[import-untyped] # what pyinfra runs each host in
from paramiko import SSHException
from pyinfra import logger
from pyinfra.api import Host, State, StringCommand
from pyinfra.api import operation as operation_of_pyinfra
from pyinfra.api.arguments_typed import PyinfraOperation
from pyinfra.api.command import PyinfraCommand
from pyinfra.api.deploy import deploy as deploy_of_pyinfra
from pyinfra.api.exceptions import PyinfraError
from pyinfra.context import ctx_host, ctx_state

from deploy import summary

P = ParamSpec("P")
# What may be wrong with one host and not with another: a DeployError, or a connection that is lost.
FAULTS = (PyinfraError, SSHException, OSError, EOFError)


def _context() -> tuple[State, Host]:
    """Return the run and the host in context themselves; pyinfra's names for them are stand-ins."""
    return ctx_state.get(), ctx_host.get()  # type: ignore[no-untyped-call] # pyinfra has no types here


class Fail(PyinfraCommand):
    """The command that fails: what an operation yields to fail on its host."""

    def execute(self, *_: Any) -> bool:
        """Fail."""
        return False


def deploy(noun: str) -> Callable[[Callable[P, None]], PyinfraOperation[P]]:
    """Make a function a step, as pyinfra's ``@deploy`` does; a fault in it leaves its host out."""

    def decorate(step: Callable[P, None]) -> PyinfraOperation[P]:
        @wraps(step)
        def on_one_host(*args: P.args, **kwargs: P.kwargs) -> None:
            state, host = _context()
            summary.tell_at_the_end(state)
            try:
                step(*args, **kwargs)
            except FAULTS as fault:
                if host not in state.active_hosts:
                    raise  # by pyinfra, which has left the host out itself and has no other
                _leave_out(str(fault))

        return deploy_of_pyinfra(noun)(on_one_host)

    return decorate


def _leave_out(faults: str) -> NoReturn:
    state, host = _context()
    summary.note(host, faults)
    logger.error(f"--> Nothing was changed on {host.name}, because:")
    for line in faults.splitlines():
        logger.error(line)
    # Raises where no host is left, or where more have failed than --fail-percent allows.
    state.fail_hosts({host})  # type: ignore[no-untyped-call] # pyinfra has no types here
    raise GreenletExit  # which ends what pyinfra has begun for this host, and nothing else


def operation(
    *, is_idempotent: bool = True
) -> Callable[[Callable[P, Generator[StringCommand]]], PyinfraOperation[P]]:
    """Make a function an operation, as pyinfra's ``@operation`` does; a fault in it fails it on its host."""

    def decorate(function: Callable[P, Generator[StringCommand]]) -> PyinfraOperation[P]:
        @wraps(function)
        def on_one_host(*args: P.args, **kwargs: P.kwargs) -> Generator[PyinfraCommand]:
            try:
                yield from function(*args, **kwargs)
            except FAULTS as fault:
                state, host = _context()
                if not state.is_executing:
                    raise  # to the step that it belongs to
                summary.note(host, str(fault))
                for line in str(fault).splitlines():
                    host.log_styled(f"error: {line}", fg="red", log_func=logger.error)
                yield Fail()

        return operation_of_pyinfra(is_idempotent=is_idempotent)(on_one_host)

    return decorate
