"""Programs on a host: shell scripts sent as one command, of which nothing stays there."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, ClassVar

from pyinfra.api import QuoteString, StringCommand
from pyinfra.api.command import PyinfraCommand
from pyinfra.api.output import echo
from pyinfra.connectors.util import CommandOutput

from deploy.core import batch, claim, paths, summary
from deploy.core.hosts import is_cut_off, needs_sudo, settings_and_problems
from deploy.core.hosts import settings as valid_settings
from deploy.core.shell import FOREIGN, PROGRAMS, Value, assigned, source

if TYPE_CHECKING:
    from pyinfra.api import Host, State

# Programs print what tasks have written, too, so their output goes through a filter, which is $0.
FILTERED = 'set -o pipefail; bash -c "$@" 2>&1 | perl -e "$0"'
FILTER = PROGRAMS / "core" / "printable.pl"
# Kept of a host during a run: how the program was run that locked it for this run, and the lock of a deploy known to
# have ended.
CLAIMED = "flights_mlops_claimed"
DEAD = "flights_mlops_dead"


class Run(StringCommand):
    """Run ``deploy/PROGRAM.sh`` on the host as root, with named arguments, and show its output as it comes.

    pyinfra shows output only with -vvv, or all at once after a failure; a build of minutes must show that it goes
    on. ``stdin`` is for what is large, and for what no process list and no output may show. The host is locked for
    this deploy first, unless ``locks`` is false.
    """

    preludes: ClassVar[tuple[str, ...]] = ("core/host",)

    def __init__(self, program: str, *, stdin: str = "", locks: bool = True, **values: Value) -> None:
        """Prepare to run the program; ``values`` become its shell variables."""
        self.program, self.values, self.locks = program, values, locks
        super().__init__(program, *map(QuoteString, self._shown()), _stdin=stdin)

    def _shown(self) -> Iterator[str]:
        """Yield the program's arguments as they may be shown: a text of many lines only by its name."""
        for name, value in self.values.items():
            yield f"{name}=…" if isinstance(value, str) and "\n" in value else f"{name}={value}"

    def named(self) -> dict[str, Value]:
        """Return the program's variables."""
        return self.values

    def command(self, host: Host) -> StringCommand:
        """Return the command that runs the program with its preludes."""
        lock = _claim(host) if self.locks else {"token": ""}
        values = {**paths.ON_HOST, "program": self.program, **lock, **self.named()}
        text = f"unset {' '.join(FOREIGN)}\n{assigned(values)}" + "\n".join(map(source, (*self.preludes, self.program)))
        words = map(QuoteString, (FILTERED, FILTER.read_text(), text, self.program))
        return StringCommand("bash", "-c", *words)

    def execute(self, state: State, host: Host, connector_arguments: Any) -> tuple[bool, CommandOutput]:
        """Run the program, and keep the error it ends with for the summary."""
        connector_arguments.update(self.connector_arguments)
        connector_arguments["_sudo"] = connector_arguments.get("_sudo") or needs_sudo(host)
        given = dict(connector_arguments)
        if state.print_input:
            echo(f"{host.print_prefix}>>> {shlex.join((self.program, *self._shown()))}", err=True)
        try:
            status, lines = self.run_on(host, self.command(host), connector_arguments)
        except batch.ERRORS as error:
            status, lines = False, [f"error: {error}"]
            if not is_cut_off(host):
                echo(f"{host.print_prefix}error: {error}", err=True)
        if self.locks and status:
            host.connector_data[CLAIMED] = {key: value for key, value in given.items() if key != "_stdin"}
        if not status and is_cut_off(host):
            lines = [f"error: the connection to {host.name} was lost; run the command again to continue."]
            echo(f"{host.print_prefix}{lines[0]}", err=True)
        if not status and (said := [line for line in lines if line.startswith("error: ")]):
            summary.note(host, said[-1].removeprefix("error: "))
        # Printed already: what is returned here, pyinfra would print once more after a failure.
        return status, CommandOutput([])

    def run_on(self, host: Host, text: StringCommand, arguments: Any) -> tuple[bool, list[str]]:
        """Run the command on the host as pyinfra does; return whether it succeeded, and its output."""
        status, output = host.run_shell_command(text, print_output=True, print_input=False, **arguments)
        return status, output.output_lines


class StackRun(Run):
    """A program that touches the running stack: behind the other prelude too, with the settings for its waits."""

    preludes: ClassVar[tuple[str, ...]] = (
        "core/host",
        "stack/judge",
        "stack/prelude/services",
        "stack/prelude/drain",
        "stack/prelude/health",
        "stack/prelude/database",
        "stack/prelude/keys",
        "stack/prelude/owners",
        "stack/prelude/proxy",
        "stack/prelude/switch",
    )

    def named(self) -> dict[str, Value]:
        """Return the program's variables, and the limits."""
        settings = valid_settings()
        limits: dict[str, Value] = {
            "start_timeout": settings.start_timeout,
            "drain_timeout": settings.drain_timeout,
            "overdue_tasks": settings.overdue_tasks,
        }
        return limits | self.values


def _claim(host: Host) -> dict[str, Value]:
    settings, _ = settings_and_problems()
    return {
        "token": claim.TOKEN,
        "client": claim.client(),
        "owner": claim.owner(),
        "commit": claim.commit(settings.project_path),
        "message": claim.one_line(settings.message) or "no message",
        "dead": host.connector_data.get(DEAD, ""),
        "claimed": "claimed" if CLAIMED in host.connector_data else "",
    }


def unlock(host: Host) -> None:
    """Release the lock of this run, for the next one; a lost connection does so too."""
    arguments = host.connector_data.pop(CLAIMED, None)
    if arguments is not None and not is_cut_off(host):
        command = Run("core/unlock", locks=False, own=claim.TOKEN).command(host)
        with contextlib.suppress(*batch.ERRORS):
            host.run_shell_command(command, **arguments)


def lock_first(host: Host, command: PyinfraCommand) -> Iterable[PyinfraCommand]:  # noqa: ARG001 - of each host alike
    """Return what locks the host before an operation's first command, unless that does so itself."""
    locks = isinstance(command, StringCommand) and not isinstance(command, Run)
    return (Run("core/claim"),) if locks else ()
