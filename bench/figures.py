"""Measure what docs/performance.md states, on a fresh Debian 13 over SSH; `make bench` prints tables."""

import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.e2e.caches import caches
from tests.e2e.host import PYINFRA
from tests.e2e.machine import Machine

REPEATS = 5
MEMORY = "sudo docker stats --no-stream --format '{{.Name}}|{{.MemUsage}}'"
IMAGES = "sudo docker images --format '{{.Repository}}:{{.Tag}}|{{.Size}}'"


def seconds(action: Callable[[], object]) -> float:
    """Return the wall time of an action, in seconds."""
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def median(action: Callable[[], object]) -> float:
    """Return the median of the wall time of ``REPEATS`` runs, in seconds."""
    return statistics.median(seconds(action) for _ in range(REPEATS))


def table(title: tuple[str, str], rows: list[tuple[str, str]]) -> None:
    """Print a Markdown table."""
    print(f"\n| {title[0]} | {title[1]} |\n|---|---:|")
    for row in rows:
        print(f"| {row[0]} | {row[1]} |")


def main() -> None:
    """Make a machine, deploy to it, measure, destroy it."""
    with tempfile.TemporaryDirectory() as directory, caches() as found:
        machine = Machine("bench", "trixie", Path(directory) / "machine")
        try:
            machine.start(found, pip_configured=True)
            first = seconds(machine.deploy)
            again = median(machine.deploy)
            floor = median(lambda: machine.run("true"))
            start = median(lambda: subprocess.run([PYINFRA, "--version"], check=True, capture_output=True))
            table(
                ("deploy to a host over SSH", "seconds"),
                [
                    ("first, on a fresh Debian 13, packages in a local cache", f"{first:.0f}"),
                    (f"again, nothing changed, median of {REPEATS}", f"{again:.2f}"),
                    ("for comparison: `pyinfra --version`", f"{start:.2f}"),
                    ("for comparison: `ssh host true`", f"{floor:.2f}"),
                ],
            )
            table(("image", "size"), rows(machine.run(IMAGES).stdout))
            table(("container, idle", "memory used / available"), rows(machine.run(MEMORY).stdout))
        finally:
            machine.destroy()


def rows(listing: str) -> list[tuple[str, str]]:
    """Read lines of two columns."""
    return [(name, value) for name, _, value in (line.partition("|") for line in listing.splitlines())]


if __name__ == "__main__":
    main()
