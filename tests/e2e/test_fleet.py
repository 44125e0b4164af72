"""Many hosts in one run: what is wrong with one is its own affair, and the end says what came of each."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from . import fleet
from .caches import free_port
from .command import run
from .conftest import MakeMachine
from .containers import health
from .machine import Machine
from .running import begun
from .test_refusals import UBUNTU, covered, everything, listener
from .test_single_steps import HOLD_LOCK

PASSWORD = "correct-Horse-9"  # noqa: S105 - of a disposable machine


@pytest.fixture(scope="module")
def good(new_machine: MakeMachine) -> Iterator[Machine]:
    """Make a machine with nothing wrong with it; its user `ops` may use sudo with a password."""
    machine = new_machine("good", "trixie", images=True)
    with_password(machine)
    put_back(machine)
    yield machine
    machine.destroy()


@pytest.fixture(scope="module")
def other(new_machine: MakeMachine) -> Iterator[Machine]:
    """Make a second machine, which something is wrong with."""
    machine = new_machine("other", "trixie")
    yield machine
    machine.destroy()


def with_password(machine: Machine) -> None:
    """Add a user who may use sudo with a password, as Debian's installer makes one."""
    machine.sudo(
        "useradd --create-home --shell /bin/bash --groups sudo ops && "
        f"echo ops:{PASSWORD} | chpasswd && "
        "cp --recursive /home/debian/.ssh /home/ops/ && chown --recursive ops: /home/ops/.ssh"
    )


def pending(machine: Machine) -> dict[str, str]:
    """Return the packages that are newer in Debian-Security than in Debian, with Debian's version."""
    found: dict[str, list[tuple[str, str]]] = {}  # the newest version first
    names = "dpkg-query --show --showformat '${Package}\\n'"
    for line in machine.sudo(f"{names} | xargs apt-cache madison").stdout.splitlines():
        package, version, source = (part.strip() for part in line.split("|"))
        found.setdefault(package, []).append((version, source.split()[1].split("/")[0]))
    older = {}
    for package, versions in found.items():
        of_debian = [version for version, suite in versions if suite == "trixie"]
        if versions[0][1] == "trixie-security" and of_debian and versions[0][0] not in of_debian:
            older[package] = of_debian[0]
    return older


def put_back(machine: Machine) -> None:
    """Have those packages in Debian's older version, as on a machine whose image is some weeks old."""
    machine.sudo("apt-get -qq update")
    older = " ".join(f"{package}={version}" for package, version in pending(machine).items())
    machine.sudo(f"apt-get -qq install --yes --allow-downgrades {older} >/dev/null 2>&1")


def reached(machine: Machine, **data: Any) -> tuple[str, dict[str, Any]]:
    """Return a machine as an inventory has it, whose root may log in beside the user that deployed first."""
    return machine.reached(harden_ssh=False, **data)


@contextmanager
def without_packages(machine: Machine) -> Iterator[None]:
    """Have apt ask a proxy that is not there."""
    proxy = "/etc/apt/apt.conf.d/02nowhere"
    machine.sudo(f"echo 'Acquire::http::Proxy \"http://127.0.0.1:9\";' >{proxy}")
    try:
        yield
    finally:
        machine.sudo(f"rm {proxy}")


def another_key(machine: Machine, folder: Path) -> str:
    """Return a file of known hosts that has this machine with the keys of another one."""
    known = (machine.directory / "known_hosts").read_text().splitlines()
    name = known[0].split()[0]
    key = folder / "host_key"
    run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key])
    path = folder / "known_hosts"
    path.write_text(f"{name} {key.with_suffix('.pub').read_text()}")
    return str(path)


def test_one_host_is_deployed_to_beside_others_that_fail(good: Machine, other: Machine, tmp_path: Path) -> None:
    """The whole stack comes up on one, as a user with a password; each of the others says why not, once."""
    inventory = fleet.write(
        tmp_path,
        fleet=[
            reached(good, ssh_user="ops"),
            other.reached(),
            ("refused", other.reached(ui_port=9999, colour="red")[1]),
            ("changed", other.reached(ssh_known_hosts_file=another_key(other, tmp_path))[1]),
            ("gone", other.reached(ssh_port=free_port())[1]),
        ],
    )
    with without_packages(other), listener(other, 9999):
        done = fleet.pyinfra(inventory, "deploy.py", password=PASSWORD)
    said = done.stdout + done.stderr
    assert done.returncode == 1, said
    found = fleet.outcomes(done)
    assert list(found) == ["good", "other", "refused", "changed", "gone"]
    release = good.run("basename $(readlink /opt/flights-mlops/current)").stdout.strip()
    assert found["good"].startswith(f"release {release}, "), said
    assert "operations changed" in found["good"]
    assert found["other"].startswith('failed after N s at "Packages | ')
    assert "apt could not install" in found["other"]
    assert found["refused"].startswith('refused: unknown setting "colour"')
    assert found["changed"] == found["gone"] == "unreachable (see the error above)"
    block = said.split("--> Nothing was changed on refused, because:\n")[1].split("\n\n")[0]
    assert 'refused: unknown setting "colour"' in block
    assert "refused: port 9999 is taken by systemd-socket" in block
    assert said.count("port 9999 is taken") == 1
    assert "[changed]" in said
    assert "ssh-keygen -R" in said
    assert set(health(good).values()) == {"healthy"}
    assert PASSWORD not in said


def test_a_second_run_changes_nothing(good: Machine, tmp_path: Path) -> None:
    """Whoever logs in: the stack stays that of its data's owner."""
    for user in ("ops", "debian", "root"):
        if user == "root":
            good.sudo("install -d -m 0700 /root/.ssh && cp /home/debian/.ssh/authorized_keys /root/.ssh/")
        inventory = fleet.write(tmp_path, fleet=[reached(good, ssh_user=user)])
        done = fleet.pyinfra(inventory, "deploy.py", password=PASSWORD if user == "ops" else "")
        assert done.returncode == 0, done.stderr
        assert fleet.outcomes(done)["good"].endswith("nothing changed, N s"), (user, done.stderr)


def test_a_step_that_refuses_one_host(good: Machine, other: Machine, tmp_path: Path) -> None:
    """There is nothing to roll back to on one; on the other one, what was asked for runs."""
    inventory = fleet.write(tmp_path, fleet=[reached(good), other.reached()])
    release = good.run("basename $(readlink /opt/flights-mlops/current)").stdout.strip()
    done = fleet.pyinfra(inventory, "deploy.rollback.to", f"release={release}")
    assert done.returncode == 1
    found = fleet.outcomes(done)
    assert found["good"] == f"release {release}, nothing changed, N s"
    assert found["other"].startswith(f"refused: {release} is not on the host")


def test_environments(good: Machine, other: Machine, tmp_path: Path) -> None:
    """A fault in a group's data names the hosts of that group; --limit leaves the other group out."""
    inventory = fleet.write(tmp_path, staging=[other.reached()], production=[reached(good)])
    (tmp_path / "group_data").mkdir()
    (tmp_path / "group_data/staging.py").write_text("paralelism = 2\nui_port = 9999\n")
    (tmp_path / "group_data/production.py").write_text("parallelism = 8\n")
    with listener(other, 9999):
        done = fleet.pyinfra(inventory, "deploy.preflight.check")
    assert done.returncode == 1
    said = done.stdout + done.stderr
    assert 'other: unknown setting "paralelism"; did you mean "parallelism"?' in said
    assert "other: port 9999 is taken" in said
    assert "good:" not in said
    done = fleet.pyinfra(inventory, "deploy.lock.show", "--limit", "production")
    assert done.returncode == 0
    assert list(fleet.outcomes(done)) == ["good"]


def test_an_unknown_system_is_refused_and_not_touched(good: Machine, other: Machine, tmp_path: Path) -> None:
    """The other host is as good as before."""
    inventory = fleet.write(tmp_path, fleet=[reached(good), other.reached()])
    with covered(other, "/usr/lib/os-release", UBUNTU):
        before = everything(other)
        done = fleet.pyinfra(inventory, "deploy.py")
        assert sorted(everything(other) ^ before) == []
    assert done.returncode == 1
    found = fleet.outcomes(done)
    assert found["other"].startswith("refused: Ubuntu 20.04.6 LTS is not supported")
    assert found["good"].endswith("nothing changed, N s")


def test_a_connection_that_is_lost(good: Machine, other: Machine, tmp_path: Path) -> None:
    """Its host fails with a sentence, in the middle of a step; the other one goes on and ends well."""
    inventory = fleet.write(tmp_path, fleet=[reached(good), other.reached()])
    other.sudo(HOLD_LOCK.format(seconds=600))
    with begun(other, "deploy.py", inventory=inventory) as running:
        running.wait_for("[other] Waiting for perl")
        # The lock names the process of the deploy's own connection; the tests have one as well.
        other.sudo("kill $(cut --fields=2 /run/flights-mlops.lock | cut --delimiter=: --fields=1)")
        done = running.end()
    other.sudo("systemctl stop first-boot")
    assert done.returncode == 1
    found = fleet.outcomes(done)
    assert found["other"].endswith("the connection to other was lost; run the command again to continue.")
    assert found["good"].endswith("nothing changed, N s")


def test_pending_security_updates_came_with_the_first_deploy(good: Machine) -> None:
    """What was older than in Debian-Security is as new, and the host's own record says who did it."""
    older = pending(good)
    if not older:
        pytest.skip("Debian-Security has no newer package than Debian of what is on the machine")
    shown = "dpkg-query --show --showformat '${Package} ${Version}\\n'"
    versions = dict(line.split() for line in good.run(f"{shown} {' '.join(older)}").stdout.splitlines())
    assert not [package for package, version in older.items() if versions[package] == version]
    good.sudo("ls /var/lib/apt/periodic/upgrade-stamp")
