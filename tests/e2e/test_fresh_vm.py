"""A VM as its provider hands it out: no Python, some kind of root, and cloud-init still at work."""

import re
import shlex
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from . import fleet
from .checkout import Checkout
from .command import ROOT, run, until
from .conftest import MakeMachine
from .machine import Machine
from .running import begun
from .test_fleet import PASSWORD, with_password
from .test_refusals import everything

WRONG = PASSWORD.swapcase()
SEED = "/var/lib/cloud/seed/nocloud"
# At work until it is let go on, in its last stage; then it ends with an error.
AT_WORK = """
runcmd:
  - until [ -e /run/go-on ]; do sleep 0.1; done
  - touch /root/was-run
  - exit 3
"""
FIRST_STEPS = '''\
"""The beginning of deploy.py."""

from deploy import cloud_init, docker, preflight

preflight.check()
cloud_init.wait()
docker.install()
'''


@pytest.fixture(scope="module")
def vm(new_machine: MakeMachine) -> Iterator[Machine]:
    """Make a machine; its user `ops` may use sudo with a password."""
    machine = new_machine("vm", "trixie")
    with_password(machine)
    yield machine
    machine.destroy()


@pytest.fixture
def inventory(vm: Machine, tmp_path: Path) -> Path:
    """Name it as the user with a password."""
    return fleet.write(tmp_path, fleet=[vm.reached(ssh_user="ops")])


@pytest.mark.parametrize("verbosity", ["-v", "-vvv"])
def test_a_wrong_sudo_password(vm: Machine, inventory: Path, verbosity: str) -> None:
    """One sentence that names the host; nothing is changed, nothing hangs, and no password is shown."""
    before, start = everything(vm), time.monotonic()
    done = fleet.pyinfra(inventory, "deploy.py", verbosity, "--debug", password=WRONG)
    assert time.monotonic() - start < 60
    assert sorted(everything(vm) ^ before) == []
    assert done.returncode == 1
    assert fleet.outcomes(done)["vm"].startswith("refused: sudo rejected the password")
    said = done.stdout + done.stderr
    assert said.count("\n    vm: sudo rejected the password") == 1
    assert WRONG not in said


def test_no_sudo_password_where_nobody_can_be_asked(inventory: Path) -> None:
    """The way out is said, and not waited for."""
    done = fleet.pyinfra(inventory, "deploy.py")
    assert done.returncode == 1
    assert "pass the password with --same-sudo-password" in fleet.outcomes(done)["vm"]


def test_each_kind_of_root_and_no_python(vm: Machine, inventory: Path, tmp_path: Path) -> None:
    """With a password, without one, and root: the first installs the engine, and the others find it there."""
    no_python = "! ls /usr/bin/python3* /usr/local/bin/python3*"
    vm.run(no_python)
    first = fleet.pyinfra(inventory, "deploy.docker.install", "-vvv", "--debug", password=PASSWORD)
    assert first.returncode == 0, first.stderr
    assert fleet.outcomes(first)["vm"] == "1 of 1 operations changed, N s"
    assert PASSWORD not in first.stdout + first.stderr
    vm.run(no_python)
    vm.sudo("install -d -m 0700 /root/.ssh && cp /home/debian/.ssh/authorized_keys /root/.ssh/")
    for user in ("debian", "root"):
        other = fleet.write(tmp_path / user, fleet=[vm.reached(ssh_user=user)])
        for step in ("deploy.preflight.check", "deploy.docker.install"):
            done = fleet.pyinfra(other, step)
            assert done.returncode == 0, done.stderr
            assert fleet.outcomes(done)["vm"] == "nothing changed, N s"
    vm.sudo("rm /root/.ssh/authorized_keys")


def test_cloud_init_is_waited_for(vm: Machine, checkout: Checkout, tmp_path: Path) -> None:
    """The user of the example logs in while cloud-init is at work: the deploy waits for it, and goes on."""
    install_cloud_init(vm)
    boot(vm, "first")
    inventory = fleet.write(tmp_path, fleet=[vm.reached(ssh_user="deploy")])
    refused = fleet.pyinfra(inventory, "deploy.preflight.check")
    assert refused.returncode == 1, "cloud-init has made the machine another one, with another host key"
    assert "ssh-keygen -R" in refused.stderr
    assert "traceback" not in refused.stderr.lower()
    vm.note_host_keys()

    checkout.write("first.py", FIRST_STEPS)
    short = fleet.pyinfra(inventory, "deploy.cloud_init.wait", "--data", "cloud_init_timeout=1")
    assert "cloud-init on vm is still running after 1 s" in fleet.outcomes(short)["vm"]
    with begun(vm, "first.py", checkout=checkout.path, inventory=inventory) as deploy:
        deploy.wait_for("Waiting for cloud-init (modules-final)")
        assert "Docker" not in deploy.said
        vm.sudo("touch /run/go-on")
        said = deploy.succeed()
    vm.sudo("ls /root/was-run")
    assert "cloud-init finished with an error, the deploy continues: " in said
    assert re.search(r"the deploy continues: .*scripts.user", said), said
    again = fleet.pyinfra(inventory, "deploy.cloud_init.wait")
    assert fleet.outcomes(again)["vm"] == "nothing changed, N s"


def test_cloud_init_that_crashes_is_not_waited_for(vm: Machine, tmp_path: Path) -> None:
    """It will never come to its end: that is said, and the deploy goes on."""
    boot(vm, "second")
    vm.note_host_keys()
    inventory = fleet.write(tmp_path, fleet=[vm.reached(ssh_user="deploy")])
    with begun(vm, "deploy.cloud_init.wait", inventory=inventory) as deploy:
        deploy.wait_for("Waiting for cloud-init (modules-final)")
        vm.sudo("systemctl kill --signal=KILL cloud-init-main.service")
        assert "cloud-init failed, the deploy continues" in deploy.succeed()


def install_cloud_init(vm: Machine) -> None:
    """Have Debian's own cloud-init on it, and in its user data, beside the example, what takes long."""
    vm.sudo("apt-get -qq update && apt-get -qq install --yes --no-install-recommends cloud-init >/dev/null 2>&1")
    key = (vm.directory / "id_ed25519.pub").read_text().strip()
    example = (ROOT / "examples/cloud-init/user-data.yaml").read_text()
    placeholder = next(line for line in example.splitlines() if "ssh-ed25519" in line).split("- ", 1)[1]
    data = example.replace(placeholder, key) + AT_WORK
    vm.sudo(f"mkdir -p {SEED} && printf %s {shlex.quote(data)} >{SEED}/user-data")
    assert "Valid schema" in vm.sudo(f"cloud-init schema --config-file {SEED}/user-data").stdout


def boot(vm: Machine, instance: str) -> None:
    """Boot it as a new instance, up to where cloud-init takes long."""
    vm.sudo(f"echo 'instance-id: {instance}' >{SEED}/meta-data")
    run(["docker", "restart", "--time=60", vm.container])
    at_work = r"grep '\"stage\": \"modules-final\"' /run/cloud-init/status.json && id deploy && pgrep sshd"
    until("cloud-init", lambda: run(["docker", "exec", vm.container, "sh", "-c", at_work]).stdout, limit=300)
