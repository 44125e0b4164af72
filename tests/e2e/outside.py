"""A machine as others see it that are no part of it: scanned over a network of its own, IPv4 and IPv6."""

import json
import os
import re
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial

from .caches import answers
from .command import run, until
from .machine import Machine

# Of a private range, and none that Docker gives a network by itself: the engine on the machine has those.
# Another one in each of the processes that the tests are shared out to.
PROCESS = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
SUBNETS = (f"fd00:f11e:{PROCESS}::/64", f"10.213.{77 + PROCESS}.0/24")


@contextmanager
def network(machine: Machine) -> Iterator[list[str]]:
    """Put a machine on a network with this one, for as long as the block lasts; gives its two addresses."""
    name = f"{machine.container}-outside"
    hosts = machine.run("cat /etc/hosts").stdout
    run(["docker", "network", "create", "--ipv6", *(f"--subnet={subnet}" for subnet in SUBNETS), name])
    try:
        run(["docker", "network", "connect", name, machine.container])
        found = addresses(machine, name)
        for address in found:  # IPv6 first makes sure that nobody else has the address
            until(f"SSH at {address}", partial(answers, address, 22))
        yield found
    finally:
        run(["docker", "network", "disconnect", "--force", name, machine.container], check=False)
        run(["docker", "network", "rm", name])
        # The engine has taken the machine's own name out, which sudo asks for each time, and says where it finds none.
        machine.sudo(f"cat >/etc/hosts <<'END'\n{hosts}END")


def addresses(machine: Machine, network: str) -> list[str]:
    """Return the IPv4 and IPv6 address of a machine on a network."""
    found = json.loads(run(["docker", "inspect", machine.container]).stdout)[0]
    place = found["NetworkSettings"]["Networks"][network]
    return [place["IPAddress"], place["GlobalIPv6Address"]]


def open_ports(addresses: list[str], ports: str = "-") -> list[set[int]]:
    """Ask TCP ports of each address, by default every one there is, at once; return those that answer.

    Every one is for a machine that does not answer where a port is closed: so many answers would fill the
    kernel's table of connections, and some be lost.
    """
    with ThreadPoolExecutor() as threads:
        return list(threads.map(partial(_scan, ports=ports), addresses))


def _scan(address: str, ports: str) -> set[int]:
    family = ["-6"] if ":" in address else []
    # A bridge loses nothing: two tries a port will do where nothing answers.
    speed = ["--min-rate=10000", "--max-retries=1"]
    command = ["nmap", *family, "-sS", "-Pn", "-n", f"-p{ports}", *speed, "-oG", "-", address]
    return {int(port) for port in re.findall(r"(\d+)/open/", run(command).stdout)}


def connections(address: str, port: int, number: int, *, timeout: float = 0.2) -> int:
    """Open so many connections, one right after the other; return how many came about."""
    opened = 0
    for _ in range(number):
        with suppress(OSError), socket.create_connection((address, port), timeout=timeout):
            opened += 1
    return opened
