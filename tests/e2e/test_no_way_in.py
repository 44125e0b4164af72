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

METADATA = "169.254.169.254"
# As on a cloud: a service beside the machine, under an address of the link. A name server would listen at 53.
CLOUD = f"""
ip netns add cloud
ip link add cloud0 type veth peer name eth0 netns cloud
ip address add 169.254.169.1/24 dev cloud0
ip link set cloud0 up
ip -netns cloud address add {METADATA}/24 dev eth0
ip -netns cloud link set eth0 up
for port in 53 80
do systemd-run --quiet --unit=metadata-$port ip netns exec cloud python3 -m http.server $port; done
"""
NO_CLOUD = "systemctl stop metadata-53 metadata-80; ip netns delete cloud"
ASK = f"python3 -c 'import socket; socket.create_connection((\"{METADATA}\", %s), timeout=3)'"


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


@pytest.fixture(scope="module")
def cloud(trixie: Machine) -> Iterator[None]:
    """Have a metadata service that the machine itself reaches."""
    trixie.sudo(CLOUD)
    try:
        for port in (53, 80):
            until(f"port {port} answers", partial(succeeds, trixie, ASK % port))
        yield
    finally:
        trixie.sudo(NO_CLOUD, check=False)


def succeeds(machine: Machine, command: str) -> bool:
    """Whether a command works."""
    return machine.sudo(command, check=False).returncode == 0


def reaches(machine: Machine, port: int) -> list[bool]:
    """Whether a task's container reaches the metadata service, and one on Docker's own bridge."""
    shells = (
        "docker exec flights-mlops-airflow-scheduler-1",
        "docker run --rm flights-mlops-airflow",
    )
    return [succeeds(machine, f"{shell} {ASK % port}") for shell in shells]


@pytest.mark.usefixtures("cloud")
def test_containers_do_not_reach_the_metadata_service(trixie: Machine) -> None:
    """It has the keys of the machine's role; but it may be where names are asked for, and that works."""
    close(trixie)
    assert reaches(trixie, 80) == [False, False]
    assert reaches(trixie, 53) == [True, True]
    assert succeeds(trixie, ASK % 80), "the machine itself needs it"


@pytest.mark.usefixtures("cloud")
def test_containers_reach_the_metadata_service_if_they_are_to(trixie: Machine) -> None:
    """For tasks that use the role."""
    close(trixie, "metadata_access=true")
    assert reaches(trixie, 80) == [True, True]


def test_containers_run_on_while_the_engine_restarts(trixie: Machine) -> None:
    """The same containers, started as long ago as before."""
    trixie.deploy()
    before = ids(trixie)
    trixie.sudo("systemctl restart docker")
    assert ids(trixie) == before
    until("every service is healthy", lambda: set(health(trixie).values()) == {"healthy"}, limit=120)
