"""Measure what docs/performance.md states, on a fresh Debian 13 over SSH; `make bench` prints tables.

`make bench ONLY="redeploy edit"` leaves out the other sections; their names are those of SECTIONS.
"""

import argparse
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import requests

from bench import edit, gap, hosts, orchestration, pipelines, redeploy
from bench.measure import note, seconds, table
from bench.target import Target
from tests.e2e.caches import caches
from tests.e2e.machine import Machine

MEMORY = "sudo docker stats --no-stream --format '{{.Name}}|{{.MemUsage}}'"
IMAGES = "sudo docker images --format '{{.Repository}}:{{.Tag}}|{{.Size}}'"
# What a section ends with that could not be measured.
FAULTS = (
    OSError,
    RuntimeError,
    AssertionError,
    LookupError,
    subprocess.SubprocessError,
    requests.RequestException,
)


def footprint(target: Target) -> None:
    """Print how large the images are, and what the idle containers use."""
    table(("image", "size"), rows(target.machine.run(IMAGES).stdout))
    table(("container, idle", "memory used / available"), rows(target.machine.run(MEMORY).stdout))


def rows(listing: str) -> list[tuple[str, str]]:
    """Read lines of two columns."""
    return [(name, value) for name, _, value in (line.partition("|") for line in listing.splitlines())]


# In this order: those that deploy something else come after those for which nothing may change.
SECTIONS: dict[str, Callable[[Target], None]] = {
    "footprint": footprint,
    "redeploy": redeploy.measure,
    "hosts": hosts.measure,
    "edit": edit.measure,
    "rollback": edit.measure_rollback,
    "gap": gap.measure,
    "orchestration": orchestration.measure,
}
# These run on this machine, and deploy nothing.
HERE: dict[str, Callable[[], None]] = {"pipelines": pipelines.measure}


def main() -> int:
    """Make a machine, deploy to it, measure, destroy it; return how many sections could not be measured."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("sections", nargs="*", help=f"of {', '.join(HERE | SECTIONS)}; all by default")
    # Told to end, it cleans up as well.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    chosen = parser.parse_args().sections or [*HERE, *SECTIONS]
    if unknown := set(chosen) - HERE.keys() - SECTIONS.keys():
        parser.error(f"there is no section {', '.join(unknown)}")
    missed = sum(not measured(name, section) for name, section in HERE.items() if name in chosen)
    if not SECTIONS.keys() & set(chosen):
        return missed
    with tempfile.TemporaryDirectory() as directory, caches() as found:
        machine = Machine("bench", "trixie", Path(directory) / "machine")
        try:
            machine.start(found, pip_configured=True)
            first = seconds(machine.deploy)
            table(
                ("deploy to a host over SSH", "seconds"),
                [("first, on a fresh Debian 13, packages in a local cache", f"{first:.0f}")],
            )
            target = Target(machine)
            return missed + sum(
                not measured(name, partial(section, target)) for name, section in SECTIONS.items() if name in chosen
            )
        finally:
            machine.destroy()


def measured(name: str, section: Callable[[], None]) -> bool:
    """Measure a section; where that fails, say so and go on to the next."""
    try:
        section()
    except FAULTS as fault:
        note(f"{name}: not measured, because {fault}")
        return False
    return True


if __name__ == "__main__":
    sys.exit(main())
