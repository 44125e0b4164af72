"""pyinfra decorators for every step and operation, which isolate failures per host.

In pyinfra, an error that the deploy code of one host raises ends the run for all hosts. With these decorators, the host
is left out with the reason, the others go on, and the run ends with exit code 1. Facts are asked together (batch.py),
and a host is locked before anything changes it.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from functools import wraps
from typing import Any, NoReturn, ParamSpec

from gevent import GreenletExit  # type: ignore[import-untyped] # what pyinfra runs each host in
from pyinfra import logger
from pyinfra.api import BaseStateCallback, Host, State, StringCommand
from pyinfra.api import operation as operation_of_pyinfra
from pyinfra.api.arguments_typed import PyinfraOperation
from pyinfra.api.command import PyinfraCommand
from pyinfra.api.deploy import deploy as deploy_of_pyinfra
from pyinfra.connectors.util import CommandOutput
from pyinfra.context import ctx_host, ctx_state

from deploy.core import batch, summary
from deploy.core.lock import look_first
from deploy.core.run import lock_first, unlock

if lock_first not in batch.BEFORE_CHANGES:
    batch.BEFORE_CHANGES.extend([look_first, lock_first])
    batch.ALONG.append(look_first)

P = ParamSpec("P")


def _context() -> tuple[State, Host]:
    """Return the run and the host in context themselves; pyinfra's names for them are stand-ins."""
    return ctx_state.get(), ctx_host.get()  # type: ignore[no-untyped-call] # pyinfra has no types here


class _Unlock(BaseStateCallback):
    """Releases the lock of this run on a host after its last operation, or after one that has failed."""

    @staticmethod
    def operation_host_success(state: State, host: Host, op_hash: str, retry_count: int = 0) -> None:  # noqa: ARG004 - pyinfra's signature
        """Release the lock after the last operation."""
        if op_hash == host.op_hash_order[-1]:
            unlock(host)

    @staticmethod
    def operation_host_error(
        state: State,  # noqa: ARG004
        host: Host,
        op_hash: str,  # noqa: ARG004
        retry_count: int = 0,  # noqa: ARG004
        max_retries: int = 0,  # noqa: ARG004
    ) -> None:
        """Release the lock after a failure."""
        unlock(host)


class Fail(PyinfraCommand):
    """The command that fails: what an operation yields to fail on its host."""

    def execute(self, *_: Any) -> bool:
        """Fail."""
        return False


class Guarded(StringCommand):
    """A plain command, where a connection that ends as it begins is that of its host, and not the run's."""

    def __init__(self, command: StringCommand | str) -> None:
        """Take over the command."""
        if isinstance(command, StringCommand):
            super().__init__(*command.bits, _separator=command.separator, **command.connector_arguments)
        else:
            super().__init__(command.strip())

    def execute(self, state: State, host: Host, connector_arguments: Any) -> tuple[bool, CommandOutput]:
        """Run the command as pyinfra does."""
        try:
            done: tuple[bool, CommandOutput] = super().execute(state, host, connector_arguments)
        except EOFError as error:
            raise OSError(f"the connection to {host.name} was lost") from error
        return done


def deploy(noun: str) -> Callable[[Callable[P, None]], PyinfraOperation[P]]:
    """Make a function a step, as pyinfra's ``@deploy`` does; an error in it leaves its host out."""

    def decorate(step: Callable[P, None]) -> PyinfraOperation[P]:
        @wraps(step)
        def on_one_host(*args: P.args, **kwargs: P.kwargs) -> None:
            state, host = _context()
            batch.use()
            summary.show_at_the_end(state)
            if not any(isinstance(handler, _Unlock) for handler in state.callback_handlers):
                state.add_callback_handler(_Unlock())  # type: ignore[no-untyped-call] # pyinfra has no types here
            try:
                step(*args, **kwargs)
            except batch.ERRORS as error:
                if host not in state.active_hosts:
                    raise  # by pyinfra, which has left the host out itself and has no other
                _leave_out(str(error))

        return deploy_of_pyinfra(noun)(on_one_host)

    return decorate


def _leave_out(reason: str) -> NoReturn:
    state, host = _context()
    summary.note(host, reason)
    logger.error(f"--> Nothing was changed on {host.name}, because:")
    for line in reason.splitlines():
        logger.error(line)
    # Raises where no host is left, or where more have failed than --fail-percent allows.
    state.fail_hosts({host})  # type: ignore[no-untyped-call] # pyinfra has no types here
    raise GreenletExit  # which ends what pyinfra has begun for this host, and nothing else


def operation(*, is_idempotent: bool = True) -> Callable[[Callable[P, Generator[StringCommand]]], PyinfraOperation[P]]:
    """Make a function an operation, as pyinfra's ``@operation`` does; an error in it fails it on its host."""

    def decorate(function: Callable[P, Generator[StringCommand]]) -> PyinfraOperation[P]:
        @wraps(function)
        def on_one_host(*args: P.args, **kwargs: P.kwargs) -> Generator[PyinfraCommand]:
            try:
                for command in function(*args, **kwargs):
                    yield Guarded(command) if type(command) in {str, StringCommand} else command
            except batch.ERRORS as error:
                state, host = _context()
                if batch.is_trial() or not state.is_executing:
                    raise  # to the step that it belongs to
                summary.note(host, str(error))
                for line in str(error).splitlines():
                    host.log_styled(f"error: {line}", fg="red", log_func=logger.error)
                yield Fail()

        return operation_of_pyinfra(is_idempotent=is_idempotent)(on_one_host)

    return decorate
