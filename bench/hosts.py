"""A redeploy in which nothing changed, to 1, 5 and 20 hosts of one inventory at once."""

import subprocess
from collections.abc import Sequence

from bench.ansible import Ansible
from bench.measure import REPEATS, Contestant, in_turn, note, table
from bench.redeploy import look, ours
from bench.target import Target

COUNTS = (1, 5, 20)
OURS, FLOOR, ANSIBLE = "`pyinfra -y inventory.py deploy.py`", "floor: as many `ssh` at once", "Ansible"


def floor(target: Target, count: int) -> None:
    """Look at the target as often as there are hosts, at once."""
    looks = [subprocess.Popen(look(target), stdout=subprocess.PIPE) for _ in range(count)]
    outputs = [running.communicate()[0] for running in looks]
    if not all(b"\ncurrent r-" in output for output in outputs):
        raise RuntimeError(f"not each of {count} looks has seen a release")


def contestants(target: Target, ansible: Ansible, hosts: Sequence[str]) -> list[Contestant]:
    """Return who takes turns with so many hosts."""
    count = len(hosts)
    inventory = target.write_inventory(f"hosts-{count}", hosts)
    for_ansible = ansible.write_inventory(hosts)
    return [
        Contestant(f"{OURS} {count}", lambda: ours(target, inventory)),
        Contestant(f"{FLOOR} {count}", lambda: floor(target, count)),
        Contestant(f"{ANSIBLE} {count}", lambda: ansible.redeploy(for_ansible), before=ansible.hang_up),
    ]


def measure(target: Target) -> None:
    """Print wall times, and what each host more costs."""
    ansible = Ansible(target)
    names = [f"{target.machine.name}-{number:02}" for number in range(1, max(COUNTS) + 1)]
    try:
        turns = [one for count in COUNTS for one in contestants(target, ansible, names[:count])]
        taken = in_turn(turns)
    finally:
        ansible.hang_up()
    rows = []
    for name in (OURS, FLOOR, ANSIBLE):
        times = [taken[f"{name} {count}"] for count in COUNTS]
        added = (times[-1] - times[0]) / (COUNTS[-1] - COUNTS[0])
        rows.append((name, *(f"{time:.2f}" for time in times), f"{added:.2f}"))
    title = f"hosts at once, nothing changed, seconds, median of {REPEATS}"
    table((title, *map(str, COUNTS), "each host more"), rows)
    note(
        "The hosts are names of one machine, which shares its cores with the one that deploys and is asked "
        "as often as there are hosts: an upper bound. Ansible opens its connections, and has a fork a host."
    )
