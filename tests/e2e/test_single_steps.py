"""Not the whole deploy, but one step of it, and what pyinfra itself offers beside."""

from collections.abc import Iterator

import pytest

from .conftest import MakeMachine
from .machine import Machine
from .running import begun

# Holds apt's lock as the first-boot job of a provider does: a POSIX write lock on the whole file.
HOLD_LOCK = """
cat >/run/hold-lock <<'END'
open my $file, "+>>", "/var/lib/dpkg/lock-frontend" or die;
my $lock = pack "ssx4qqi", 1, 0, 0, 0, 0;
fcntl $file, 6, $lock or die;
sleep {seconds};
END
systemd-run --quiet --collect --unit=first-boot perl /run/hold-lock
timeout 10 sh -c "until grep --quiet POSIX /proc/locks; do sleep 0.1; done"
"""
# A container of the machine's own files: no registry is needed.
RUN_CONTAINER = (
    "docker run --rm $(tar --create --directory / bin lib lib64 usr/bin usr/lib/x86_64-linux-gnu usr/lib64 "
    "2>/dev/null | docker import -) /bin/echo hello from a container"
)


@pytest.fixture(scope="module")
def machine(new_machine: MakeMachine) -> Iterator[Machine]:
    """Make a fresh machine for the steps alone."""
    machine = new_machine("steps", "trixie")
    yield machine
    machine.destroy()


def test_a_held_apt_lock_is_waited_for_with_a_limit(machine: Machine) -> None:
    """When the limit is over, the deploy stops and names who holds the lock."""
    machine.sudo(HOLD_LOCK.format(seconds=600))
    done = machine.pyinfra("deploy.docker.install", "--data", "apt_lock_timeout=3")
    machine.sudo("systemctl stop first-boot")
    said = done.stdout + done.stderr
    assert done.returncode != 0
    assert "held by perl (pid" in said
    assert "traceback" not in said.lower()
    assert machine.run("command -v docker", check=False).returncode != 0


def test_the_engine_is_installed_by_a_step_of_its_own(machine: Machine) -> None:
    """`pyinfra … deploy.docker.install` waits for apt's lock, makes an engine serve, and does no more."""
    machine.sudo(HOLD_LOCK.format(seconds=600))
    with begun(machine, "deploy.docker.install") as deploy:
        deploy.wait_for("Waiting for perl")
        machine.sudo("systemctl stop first-boot")
        deploy.succeed()
    assert machine.sudo("docker info --format {{.Driver}}").stdout.strip() == "overlay2"
    assert "hello from a container" in machine.sudo(RUN_CONTAINER).stdout
    assert machine.run("sudo docker compose version").returncode == 0
    assert machine.run("sudo docker buildx version").returncode == 0
    assert machine.run("ls /opt /etc/flights-mlops", check=False).stdout.strip() in {
        "",
        "/opt:",
        "/opt:\ncontainerd",
    }


def test_an_engine_that_serves_is_left_alone(machine: Machine) -> None:
    """The step again does nothing: the engine's process is the same."""
    machine.pyinfra("deploy.docker.install")
    before = machine.run("pidof dockerd").stdout
    done = machine.pyinfra("deploy.docker.install")
    assert done.returncode == 0
    assert machine.run("pidof dockerd").stdout == before


def test_debug_inventory_shows_the_host(machine: Machine) -> None:
    """`pyinfra … debug-inventory` works."""
    done = machine.pyinfra("debug-inventory")
    assert done.returncode == 0, done.stderr
    assert machine.name in done.stdout + done.stderr


def test_limit_leaves_the_other_hosts_alone(machine: Machine) -> None:
    """`--limit` chooses one host of an inventory; another that could not even be reached is not asked."""
    both = machine.directory / "both.py"
    machine.write_inventory(both)
    both.write_text(both.read_text() + 'others = [("192.0.2.1", {"ssh_user": "debian"})]\n')
    done = machine.pyinfra("deploy.docker.install", "--limit", machine.name, inventory=both)
    assert done.returncode == 0, done.stderr
    assert "192.0.2.1" not in done.stdout + done.stderr
