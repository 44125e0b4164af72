"""The shell scripts that read and change a host: sent as one command, nothing of them stays there."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyinfra.api import QuoteString, StringCommand
from pyinfra.api.output import echo
from pyinfra.connectors.local import LocalConnector
from pyinfra.connectors.ssh import SSHConnector
from pyinfra.connectors.util import CommandOutput

if TYPE_CHECKING:
    from pyinfra.api import Host, State

SCRIPTS = Path(__file__).parent / "scripts"
# Where a host keeps what was last seen of it (deploy.machine), so that a change can forget it.
SEEN = "flights_mlops_seen"


def needs_sudo(host: Host) -> bool:
    """Whether commands have to go through sudo to be root's: unless the user who logs in is root."""
    connector = host.connector
    if isinstance(connector, LocalConnector):
        return os.geteuid() != 0
    if isinstance(connector, SSHConnector) and connector.client is not None:
        transport = connector.client.get_transport()
        return transport is None or transport.get_username() != "root"
    return True


def command(name: str, *arguments: str, prelude: bool = True) -> StringCommand:
    """Return the command that runs ``deploy/scripts/NAME.sh`` and shows nothing, as a fact does."""
    return StringCommand(*_words(name, arguments, prelude=prelude))


def _words(name: str, arguments: tuple[str, ...], *, prelude: bool) -> list[Any]:
    names = ("prelude", name) if prelude else (name,)
    text = "\n".join((SCRIPTS / f"{part}.sh").read_text() for part in names)
    return ["bash", "-c", QuoteString(text), name, *(QuoteString(argument) for argument in arguments)]


class Run(StringCommand):
    """A script that changes the host, as root: its output is shown as it comes, what was seen is forgotten.

    pyinfra shows output only with -vvv, or all at once after a failure; a build of minutes must show
    that it goes on. ``text`` goes to the script on standard input, the way for what is large, and for
    what no process list and no output may show.
    """

    def __init__(self, name: str, *arguments: str, text: str = "") -> None:
        """Prepare the run of ``deploy/scripts/NAME.sh`` with these arguments."""
        super().__init__(*_words(name, arguments, prelude=True), _stdin=text)
        self.shown = shlex.join((f"{name}.sh", *arguments))

    def get_masked_value(self) -> str:
        """Return what -vv shows: the script's name and arguments instead of its text."""
        return self.shown

    def execute(self, state: State, host: Host, connector_arguments: Any) -> tuple[bool, CommandOutput]:
        """Run the script on the host."""
        host.connector_data.pop(SEEN, None)
        connector_arguments.update(self.connector_arguments)
        connector_arguments["_sudo"] = connector_arguments.get("_sudo") or needs_sudo(host)
        if state.print_input:
            echo(f"{host.print_prefix}>>> {self.shown}", err=True)
        status, _ = host.run_shell_command(self, print_output=True, print_input=False, **connector_arguments)
        # Printed already: what is returned here, pyinfra would print once more after a failure.
        return status, CommandOutput([])
