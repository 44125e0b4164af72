"""Changes that could lock out whoever makes them: kept only if the host can still be reached."""

from __future__ import annotations

import logging
from typing import Any, cast

from paramiko import SSHException
from pyinfra.api import Host, State, StringCommand
from pyinfra.api.exceptions import ConnectError
from pyinfra.api.output import echo
from pyinfra.connectors.ssh import SSHConnector
from pyinfra.connectors.util import CommandOutput

from deploy.script import Run, needs_sudo

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
    """A script that begins a trial (``trial.sh``), a second connection, and by that its end: kept or undone.

    Should this process or the connection end in the middle, the host undoes the change by itself.
    """

    def __init__(self, name: str, *arguments: str, text: str, change: str, by_key: bool = False) -> None:
        """Prepare the run of a script whose first argument are its trial's seconds; ``change`` names it."""
        self.change, self.by_key = change, by_key
        super().__init__(name, str(SECONDS), *arguments, text=text)

    def execute(self, state: State, host: Host, connector_arguments: Any) -> tuple[bool, CommandOutput]:
        """Change the host, and undo that where it cannot be reached any more."""
        status, output = super().execute(state, host, dict(connector_arguments))
        if not status:
            return status, output
        fault = unreachable(host, connector_arguments, by_key=self.by_key)
        if not fault:
            return Run("keep").execute(state, host, dict(connector_arguments))
        undone, _ = Run("undo").execute(state, host, dict(connector_arguments))
        outcome = "was undone" if undone else f"is undone by the host itself within {SECONDS} s"
        echo(
            f"{host.print_prefix}error: {host.name} could not be reached by a second connection "
            f"after a change of {self.change} ({fault}); the change {outcome}.",
            err=True,
        )
        return False, output


def authenticated_by(host: Host) -> str:
    """Return how the connection to the host was authenticated, in SSH's words, or nothing."""
    connector = host.connector
    transport = (
        connector.client.get_transport() if isinstance(connector, SSHConnector) and connector.client else None
    )
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
    return "" if answered else "it runs no command as root"
