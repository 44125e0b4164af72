"""A redeploy in which nothing changed, to 1, 5 and 20 hosts of one inventory at once."""

import subprocess
from collections.abc import Sequence

from bench.measure import REPEATS, Contestant, in_turn, note, table
from bench.redeploy import FLOOR, OURS, look, ours
from bench.target import Target

COUNTS = (1, 5, 20)


def floor(target: Target, count: int) -> None:
    """Look at the target as often as there are hosts, at once."""
    looks = [subprocess.Popen(look(target), stdout=subprocess.PIPE) for _ in range(count)]
    outputs = [running.communicate()[0] for running in looks]
    if not all(b"\ncurrent r-" in output for output in outputs):
        raise RuntimeError(f"not each of {count} looks has seen a release")


def contestants(target: Target, hosts: Sequence[str]) -> list[Contestant]:
    """Return who takes turns with so many hosts."""
    count = len(hosts)
    inventory = target.write_inventory(f"hosts-{count}", hosts)
    return [
        Contestant(f"{OURS} {count}", lambda: ours(target, inventory)),
        Contestant(f"{FLOOR} {count}", lambda: floor(target, count)),
    ]


def measure(target: Target) -> None:
    """Print wall times, and what each host more costs."""
    names = [f"{target.machine.name}-{number:02}" for number in range(1, max(COUNTS) + 1)]
    taken = in_turn([one for count in COUNTS for one in contestants(target, names[:count])])
    rows = []
    for name in (OURS, FLOOR):
        times = [taken[f"{name} {count}"] for count in COUNTS]
        added = (times[-1] - times[0]) / (COUNTS[-1] - COUNTS[0])
        rows.append((name, *(f"{time:.2f}" for time in times), f"{added:.2f}"))
    title = f"hosts at once (names of one machine), nothing changed, seconds, median of {REPEATS}"
    table((title, *map(str, COUNTS), "each host more"), rows)
    note(
        "The hosts share the cores of one machine with each other and with the one that deploys: upper "
        "bounds. On machines of their own the looks would not wait for each other. So Ansible, "
        "most of which runs on the hosts, is not compared here."
    )
