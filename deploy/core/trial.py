"""Changes that could lock out whoever makes them: kept only if the host can still be reached."""

from __future__ import annotations

import base64
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from paramiko import SSHException
from pyinfra.api import Host, State, StringCommand
from pyinfra.api.exceptions import ConnectError
from pyinfra.api.output import echo
from pyinfra.connectors.ssh import SSHConnector
from pyinfra.connectors.util import CommandOutput

from deploy.core import batch, summary
from deploy.core.hosts import needs_sudo
from deploy.core.run import Run
from deploy.core.shell import Value, assigned, source

# After these the host undoes the change by itself; the second connection is to answer long before.
SECONDS = 60
ANSWER_SECONDS = 20


class SecondConnection(SSHConnector):
    """A new connection with the same data as the first; without a password, where a key has to do."""

    by_key = False

    def make_paramiko_kwargs(self) -> dict[str, Any]:
        """Return what paramiko is given."""
        given = super().make_paramiko_kwargs()
        if self.by_key:
            given.pop("password", None)
        return given


class Trial(Run):
    """Place files on the host, apply them, and keep that only if a second connection works; else it is undone.

    ``core/trial.sh`` says how. The program ``apply`` has them take effect and may ``fail``; ``undo`` has the files of
    before take effect again; both have ``values``. ``verify`` may return a problem with what came of it, which undoes
    the change as well. Should this process or the connection end in the middle, the host undoes the change by itself.
    """

    def __init__(  # noqa: PLR0913 - each is one thing to know about a change
        self,
        apply: str,
        *,
        undo: str,
        files: Mapping[str, str],
        change: str,
        also: Sequence[str] = (),
        by_key: bool = False,
        verify: Callable[[], str] = str,
        **values: Value,
    ) -> None:
        """Prepare to place ``files``, texts by path; ``apply`` writes ``also``; ``change`` is a noun phrase."""
        self.change, self.by_key, self.verify = change, by_key, verify
        lines = (f"{path} {base64.b64encode(text.encode()).decode()}\n" for path, text in files.items())
        super().__init__("core/trial", action="begin", seconds=SECONDS, change=change, stdin="".join(lines))
        self.texts: dict[str, Value] = {
            "program": apply,
            "paths": [*files, *also],
            "apply": assigned(values) + source(apply),
            "undo": assigned(values) + source(undo),
        }

    def named(self) -> dict[str, Value]:
        """Return the program's variables, the texts of both programs among them."""
        return {**super().named(), **self.texts}

    def execute(self, state: State, host: Host, connector_arguments: Any) -> tuple[bool, CommandOutput]:
        """Change the host, and undo that where it cannot be reached any more or ``verify`` finds a problem."""
        status, output = super().execute(state, host, dict(connector_arguments))
        if not status:
            return status, output
        if error := unreachable(host, connector_arguments, by_key=self.by_key):
            problem = f"a second connection to {host.name} failed after changing {self.change} ({error})"
        elif not (problem := self._problem()):
            return Run("core/trial", action="keep").execute(state, host, dict(connector_arguments))
        undone, _ = roll_back().execute(state, host, dict(connector_arguments))
        outcome = "was rolled back" if undone else f"is rolled back by the host itself within {SECONDS} s"
        sentence = f"{problem}; the change {outcome}."
        summary.note(host, sentence)
        echo(f"{host.print_prefix}error: {sentence}", err=True)
        return False, output

    def _problem(self) -> str:
        try:
            return self.verify()
        except batch.ERRORS as error:
            return str(error)


def roll_back() -> Run:
    """Return what undoes a change that is pending confirmation, if there is one."""
    return Run("core/trial", action="undo")


def authenticated_by(host: Host) -> str:
    """Return how the connection to the host was authenticated, in SSH's words, or nothing."""
    connector = host.connector
    transport = connector.client.get_transport() if isinstance(connector, SSHConnector) and connector.client else None
    return cast("str", getattr(getattr(transport, "auth_handler", None), "auth_method", ""))


def unreachable(host: Host, connector_arguments: Any, *, by_key: bool) -> str:
    """Return why the host cannot be reached anew, as root in the end, or nothing where it can."""
    # paramiko logs with a traceback what is said in a sentence here.
    logging.getLogger("paramiko.transport").setLevel(logging.CRITICAL)
    second = SecondConnection(host.state, host)
    second.by_key = by_key
    try:
        second.connect()
    except ConnectError as error:
        return str(error)
    arguments = {**connector_arguments, "_sudo": needs_sudo(host), "_stdin": "", "_timeout": ANSWER_SECONDS}
    try:
        answered, _ = second.run_shell_command(StringCommand("true"), **arguments)
    except (OSError, SSHException):  # a time that is up is one of the former
        answered = False
    finally:
        if second.client is not None:
            second.client.close()
    return "" if answered else "no command could be run as root"
