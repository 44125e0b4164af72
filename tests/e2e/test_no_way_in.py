"""The host with the stack on it, seen from another machine: what answers, whatever listens there."""

from collections.abc import Iterator
from functools import partial

import pytest

from .caches import answers
from .command import until
from .containers import health, ids
from .machine import Machine
from .outside import network, open_ports

ON_THE_HOST, PUBLISHED = 9100, 9200
CONTAINER = (
    f"docker run --detach --name=published --publish=0.0.0.0:{PUBLISHED}:8000 "
    f"--publish=[::]:{PUBLISHED}:8000 flights-mlops-airflow python3 -m http.server 8000 --bind ::"
)
# It needs the Python that unattended-upgrades has brought.
PROCESS = f"systemd-run --quiet --unit=listener python3 -m http.server {ON_THE_HOST} --bind ::"


@pytest.fixture(scope="module")
def addresses(trixie: Machine) -> Iterator[list[str]]:
    """Have something listen on every address of the machine: a process, and a port that Docker publishes."""
    with network(trixie) as found:
        try:
            trixie.sudo(f"{CONTAINER} && {PROCESS}")
            close(trixie, "firewall=false")
            for address in found:
                for port in (ON_THE_HOST, PUBLISHED):
                    until(f"{address} port {port}", partial(answers, address, port))
            yield found
        finally:
            trixie.sudo("docker rm --force published; systemctl stop listener", check=False)
            trixie.deploy()


def close(machine: Machine, *data: str) -> None:
    """Have the firewall as those settings say."""
    done = machine.pyinfra(*(word for pair in data for word in ("--data", pair)), "deploy.firewall.close")
    assert done.returncode == 0, done.stderr


def test_without_the_firewall_what_listens_answers(trixie: Machine, addresses: list[str]) -> None:
    """The scan finds both, by IPv4 and IPv6: what it does not find later is closed."""
    close(trixie, "firewall=false")
    listening = {22, ON_THE_HOST, PUBLISHED}
    assert open_ports(addresses, ",".join(map(str, listening))) == [listening, listening]


def test_every_port_but_ssh_is_closed(trixie: Machine, addresses: list[str]) -> None:
    """Also that of a container, which Docker publishes around most firewalls."""
    close(trixie)
    assert open_ports(addresses) == [{22}, {22}]


@pytest.mark.parametrize("port", [ON_THE_HOST, PUBLISHED])
def test_an_open_port_is_open(trixie: Machine, addresses: list[str], port: int) -> None:
    """That of a process or of a container, and no other."""
    close(trixie, f"open_ports=[{port}]")
    assert open_ports(addresses) == [{22, port}, {22, port}]


def test_containers_run_on_while_the_engine_restarts(trixie: Machine) -> None:
    """The same containers, started as long ago as before."""
    trixie.deploy()
    before = ids(trixie)
    trixie.sudo("systemctl restart docker")
    assert ids(trixie) == before
    until("every service is healthy", lambda: set(health(trixie).values()) == {"healthy"}, limit=120)
