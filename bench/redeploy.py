"""A redeploy in which nothing changed: ours, the floor, and Ansible, near and far."""

import re
from pathlib import Path

from pyinfra.api import QuoteString, StringCommand

from bench.ansible import Ansible
from bench.delay import delay
from bench.measure import REPEATS, Contestant, in_turn, note, table
from bench.target import Target
from deploy.base_images.facts import Images
from deploy.core.batch import SCRIPT
from deploy.credentials.facts import Secrets
from deploy.docker.facts import Engine
from deploy.release.facts import Releases
from deploy.service_user import ServiceUser
from deploy.stack.facts import State
from deploy.system import System
from tests.e2e.command import run
from tests.e2e.host import PYINFRA

DELAYS = (0, 20, 100)
OURS, CONNECT = "`pyinfra -y inventory.py deploy.py`", "`pyinfra` that connects and does nothing"
FLOOR = "floor: one `ssh`, one script that looks at the same state"
COLD, WARM = "Ansible, opening its connection", "Ansible, finding it open"
SSH, START = "`ssh host true`", "`pyinfra --version`"


def ours(target: Target, inventory: Path | None = None) -> None:
    """Deploy, and make sure that there was nothing to change."""
    done = target.pyinfra("deploy.py", inventory=inventory)
    said = done.stdout + done.stderr
    if not re.search(r"Grand total +\d+ +- +- +\d+", said):
        raise RuntimeError(f"the redeploy changed something:\n{said}")


def look(target: Target) -> list[str | Path]:
    """Return the command that reads the largest facts of the deploy, as root, in one connection."""
    commands = (
        System().command(),
        ServiceUser().command(guarded=True),
        Engine().command(),
        Images().command(),
        Secrets().command(),
        Releases().command(keep=5),
        State().command(),
    )
    asked = (QuoteString(command.get_raw_value()) for command in commands)
    words = ("bash", "-c", QuoteString(SCRIPT), "facts", "60", "16", "sh", *asked)
    return target.ssh(f"sudo -n {StringCommand(*words).get_raw_value()}")


def floor(target: Target) -> None:
    """Look once, and make sure that something was seen."""
    said = run(look(target)).stdout
    if "\ncurrent r-" not in said:
        raise RuntimeError(f"the look has not seen a release:\n{said}")


def contestants(target: Target, ansible: Ansible) -> list[Contestant]:
    """Return who takes turns."""
    connect_only = str(Path(__file__).with_name("connect_only.py"))
    hosts = ansible.write_inventory([target.machine.name])
    return [
        Contestant(OURS, lambda: ours(target)),
        Contestant(FLOOR, lambda: floor(target)),
        Contestant(COLD, lambda: ansible.redeploy(hosts), before=ansible.hang_up),
        Contestant(WARM, lambda: ansible.redeploy(hosts)),
        Contestant(CONNECT, lambda: target.pyinfra(connect_only)),
        Contestant(SSH, lambda: run(target.ssh("true"))),
        Contestant(START, lambda: run([PYINFRA, "--version"])),
    ]


def measure(target: Target) -> None:
    """Print wall times, what they are to the floor and to each other, and the round trips."""
    ansible = Ansible(target)
    taken = {}
    try:
        turns = contestants(target, ansible)
        for contestant in turns:  # byte code is compiled, and what is read is in memory
            contestant.action()
        for milliseconds in DELAYS:
            with delay(target.address, milliseconds):
                taken[milliseconds] = in_turn(turns)
    finally:
        ansible.hang_up()
    show(taken)


def round_trips(taken: dict[int, dict[str, float]], name: str) -> float:
    """Return for how many round trips a contestant waits: what 100 ms more each add to it, over 100 ms."""
    near, far = DELAYS[0], DELAYS[-1]
    return (taken[far][name] - taken[near][name]) / ((far - near) / 1000)


def show(taken: dict[int, dict[str, float]]) -> None:
    """Print the tables.

    The round trips of our run after its connection is up are those of the whole run less those of a run of
    pyinfra that only connects: both start, read the configuration and connect in the same way.
    """
    table(
        (
            f"redeploy, nothing changed, seconds, median of {REPEATS}",
            *(f"+{d} ms" for d in DELAYS),
            "round trips",
        ),
        [(name, *(f"{taken[d][name]:.2f}" for d in DELAYS), f"{round_trips(taken, name):.1f}") for name in taken[0]],
    )
    pairs = ((OURS, FLOOR), (COLD, FLOOR), (WARM, FLOOR), (COLD, OURS), (WARM, OURS))
    table(
        ("ratio", *(f"+{d} ms" for d in DELAYS)),
        [(f"{one} / {other}", *(f"{taken[d][one] / taken[d][other]:.1f}" for d in DELAYS)) for one, other in pairs],
    )
    after = round_trips(taken, OURS) - round_trips(taken, CONNECT)
    note(
        f"Round trips of a redeploy after the connection is up: {after:.1f} "
        "((T(+100 ms) - T(+0 ms)) / 0.1 s, less the same for a run that only connects)."
    )
