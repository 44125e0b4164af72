"""The shell scripts that read and change a host: sent as one command, nothing of them stays there."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paramiko import SSHException
from pyinfra.api import QuoteString, StringCommand
from pyinfra.api.exceptions import PyinfraError
from pyinfra.api.output import echo
from pyinfra.connectors.local import LocalConnector
from pyinfra.connectors.ssh import SSHConnector
from pyinfra.connectors.util import CommandOutput

from deploy import checkout, claim, summary
from deploy.configuration import ROOT
from deploy.inventory import of_host

if TYPE_CHECKING:
    from pyinfra.api import Host, State

SCRIPTS = Path(__file__).parent / "scripts"
# What is kept of a host during a run: what was last seen of it (deploy.machine), so that a change can forget
# it; whether it is locked for this run; which lock of another run may be taken over.
SEEN = "flights_mlops_seen"
CLAIMED = "flights_mlops_claimed"
DEAD = "flights_mlops_dead"


def needs_sudo(host: Host) -> bool:
    """Whether commands have to go through sudo to be root's: unless the user who logs in is root."""
    connector = host.connector
    if isinstance(connector, LocalConnector):
        return os.geteuid() != 0
    if isinstance(connector, SSHConnector) and connector.client is not None:
        transport = connector.client.get_transport()
        return transport is None or transport.get_username() != "root"
    return True


def is_remote(host: Host) -> bool:
    """Whether the host is reached over SSH: a developer's own machine is not the deploy's to guard."""
    return isinstance(host.connector, SSHConnector)


def is_cut_off(host: Host) -> bool:
    """Whether the connection to the host was there and is no more."""
    connector = host.connector
    if not isinstance(connector, SSHConnector) or connector.client is None:
        return False
    transport = connector.client.get_transport()
    return transport is None or not transport.is_active()


def parts(name: str) -> list[str]:
    """Return the scripts that ``name`` is made of, itself the last: it names the others after "Uses:"."""
    uses = re.search(r"^# Uses: (.*)$", (SCRIPTS / f"{name}.sh").read_text(), re.MULTILINE)
    return [*(uses[1].split() if uses else ()), name]


def command(name: str, *arguments: str, claims: Iterable[str] = ()) -> StringCommand:
    """Return the command that runs ``deploy/scripts/NAME.sh`` with all it uses.

    ``claims`` are the arguments of ``claim.sh``, for a script that uses it.
    """
    text = "\n".join((SCRIPTS / f"{part}.sh").read_text() for part in parts(name))
    words = (QuoteString(word) for word in (text, name, *claims, *arguments))
    return StringCommand("bash", "-c", *words)


class Run(StringCommand):
    """A script that changes the host, as root: its output is shown as it comes, what was seen is forgotten.

    What leaves everything as ``look`` sees it says so with ``keeps``, and spares the host another look.

    pyinfra shows output only with -vvv, or all at once after a failure; a build of minutes must show
    that it goes on. ``text`` goes to the script on standard input, the way for what is large, and for
    what no process list and no output may show.
    """

    def __init__(self, name: str, *arguments: str, text: str = "", keeps: bool = False) -> None:
        """Prepare the run of ``deploy/scripts/NAME.sh`` with these arguments."""
        self.script, self.arguments, self.keeps = name, arguments, keeps
        super().__init__(f"{name}.sh", *(QuoteString(argument) for argument in arguments), _stdin=text)

    def execute(self, state: State, host: Host, connector_arguments: Any) -> tuple[bool, CommandOutput]:
        """Run the script on the host, as the one deploy that works on it."""
        if not self.keeps:
            host.connector_data.pop(SEEN, None)
        connector_arguments.update(self.connector_arguments)
        connector_arguments["_sudo"] = connector_arguments.get("_sudo") or needs_sudo(host)
        if state.print_input:
            echo(f"{host.print_prefix}>>> {shlex.join((f'{self.script}.sh', *self.arguments))}", err=True)
        claims = _claims(host) if "claim" in parts(self.script) else ()
        text = command(self.script, *self.arguments, claims=claims)
        try:
            status, lines = self.run_on(host, text, connector_arguments)
        except (PyinfraError, SSHException, OSError, EOFError) as fault:
            status, lines = False, [f"error: {fault}"]
            if not is_cut_off(host):
                echo(f"{host.print_prefix}error: {fault}", err=True)
        if claims and status:
            host.connector_data[CLAIMED] = "claimed"
        if not status and is_cut_off(host):
            lines = [f"error: the connection to {host.name} was lost; run it again to go on."]
            echo(f"{host.print_prefix}{lines[0]}", err=True)
        if not status and (said := [line for line in lines if line.startswith("error: ")]):
            summary.note(host, said[-1].removeprefix("error: "))
        # Printed already: what is returned here, pyinfra would print once more after a failure.
        return status, CommandOutput([])

    def run_on(self, host: Host, text: StringCommand, arguments: Any) -> tuple[bool, list[str]]:
        """Run the command on the host, as pyinfra does; gives whether it went well, and what it said."""
        status, output = host.run_shell_command(text, print_output=True, print_input=False, **arguments)
        return status, output.output_lines


def _claims(host: Host) -> tuple[str, ...]:
    settings, _ = of_host()
    return (
        claim.TOKEN,
        claim.client(),
        claim.owner(),
        claim.commit(checkout.chosen(settings, ROOT)),
        claim.one_line(settings.message) or "no message",
        host.connector_data.get(DEAD, ""),
        host.connector_data.get(CLAIMED, ""),
    )
