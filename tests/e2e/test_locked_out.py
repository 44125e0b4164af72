"""What keeps others out must not lock out who deploys: steps on a bare host, broken on purpose."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from paramiko import AuthenticationException, PKey, SSHClient, SSHException, WarningPolicy
from paramiko.ed25519key import Ed25519Key

from .checkout import Checkout
from .command import Finished, until
from .conftest import MakeMachine
from .machine import Machine
from .outside import connections, network
from .running import begun

PASSWORD = "correct-horse-battery"  # noqa: S105 - of a machine that lives for this test
DROP_IN = "/etc/ssh/sshd_config.d/00-flights-mlops.conf"
RULES = "/etc/flights-mlops/firewall.nft"
STEPS = ("package.install", "firewall.close", "login.harden", "security_update.automate", "clock.synchronise")
# A site's own way to look up keys, which gives none once passwords are refused.
BROKEN_KEYS = f"""
printf '#!/bin/sh\\ntest -e {DROP_IN} || cat /home/$1/.ssh/authorized_keys\\n' >/usr/sbin/keys
chmod 755 /usr/sbin/keys
{{
  echo 'AuthorizedKeysFile none'
  echo 'AuthorizedKeysCommand /usr/sbin/keys %u'
  echo 'AuthorizedKeysCommandUser root'
}} >/etc/ssh/sshd_config.d/90-keys.conf
systemctl restart ssh
"""
GATE = "\t\ttcp dport {{ port }} goto ssh\n"


@pytest.fixture(scope="module")
def guarded(new_machine: MakeMachine) -> Machine:
    """Make a Debian 12 whose users have passwords; its packages are there."""
    machine = new_machine("guarded", "bookworm")
    machine.sudo(f"printf '%s:{PASSWORD}\\n' root debian guest | chpasswd")
    machine.sudo("install -D -m 600 /home/debian/.ssh/authorized_keys /root/.ssh/authorized_keys")
    step(machine, "package.install")
    return machine


@pytest.fixture(scope="module")
def outside(guarded: Machine) -> Iterator[list[str]]:
    """Addresses of the machine, as another one reaches it."""
    with network(guarded) as found:
        yield found


def step(machine: Machine, name: str, inventory: Path | None = None) -> Finished:
    """Run one step, and expect it to work."""
    done = machine.pyinfra(f"deploy.{name}", inventory=inventory)
    assert done.returncode == 0, f"{name}:\n{done.stdout}{done.stderr}"
    return done


def log_in(machine: Machine, user: str, *, password: str | None = None) -> str:
    """Log in anew, with the machine's key if with no password; return what came of it."""
    key: PKey | None = (
        None if password else Ed25519Key.from_private_key_file(str(machine.directory / "id_ed25519"))
    )
    with SSHClient() as client:
        client.set_missing_host_key_policy(WarningPolicy())
        try:
            client.connect(
                "127.0.0.1",
                machine.port,
                user,
                password,
                key,
                look_for_keys=False,
                allow_agent=False,
                timeout=5,
            )
        except AuthenticationException:
            return "refused"
        except (OSError, SSHException):
            return "not reached"
    return "in"


def test_a_deploy_with_a_password_leaves_passwords_alone(guarded: Machine, tmp_path: Path) -> None:
    """It says so in a sentence, and anybody can still log in as before."""
    inventory = guarded.write_inventory(
        tmp_path / "inventory.py",
        ssh_key=None,
        ssh_password=PASSWORD,
        ssh_allow_agent=False,
        ssh_look_for_keys=False,
    )

    done = step(guarded, "login.harden", inventory=inventory)

    assert "sshd is left as it is" in done.stdout + done.stderr
    assert PASSWORD not in done.stdout + done.stderr
    assert log_in(guarded, "guest", password=PASSWORD) == "in"
    assert log_in(guarded, "root") == "in"


def test_sshd_that_would_lock_out_is_undone(guarded: Machine) -> None:
    """The key does not open it any more once the change is made: it is taken back, and opens it again."""
    guarded.sudo(BROKEN_KEYS)
    try:
        done = guarded.pyinfra("deploy.login.harden")

        assert done.returncode != 0
        assert (
            "could not be reached by a second connection after a change of sshd's configuration"
            in done.stderr
        )
        assert "the change was undone" in done.stderr
        assert "Traceback" not in done.stdout + done.stderr
        assert log_in(guarded, "debian") == "in"
        assert log_in(guarded, "guest", password=PASSWORD) == "in"
        assert guarded.sudo(f"ls {DROP_IN}", check=False).returncode
    finally:
        guarded.sudo("rm /etc/ssh/sshd_config.d/90-keys.conf && systemctl restart ssh")


def test_a_firewall_that_would_lock_out_is_undone(guarded: Machine, checkout: Checkout) -> None:
    """Rules that let no SSH in are taken back, and the host is reached as before."""
    checkout.replace("templates/host/etc/flights-mlops/firewall.nft.j2", GATE, "")

    done = guarded.pyinfra("deploy.firewall.close", checkout=checkout.path)

    assert done.returncode != 0
    assert "Traceback" not in done.stdout + done.stderr
    assert "could not be reached by a second connection after a change of its firewall" in done.stderr
    assert "the change was undone" in done.stderr
    assert log_in(guarded, "debian") == "in"
    assert guarded.sudo("nft list tables").stdout == ""
    assert guarded.sudo(f"ls {RULES}", check=False).returncode


def test_a_deploy_that_is_killed_is_undone_by_the_host(guarded: Machine, checkout: Checkout) -> None:
    """Nobody is left to undo rules that let no SSH in; the host does, after the time it was given."""
    checkout.replace("templates/host/etc/flights-mlops/firewall.nft.j2", GATE, "")
    checkout.replace("deploy/trial.py", "\nSECONDS = 60\n", "\nSECONDS = 30\n")

    with begun(guarded, "deploy.firewall.close", checkout=checkout.path) as deploy:
        deploy.wait_for("on trial for 30 s")
        deploy.kill()
    assert log_in(guarded, "debian") == "not reached"

    until("the host can be reached", lambda: log_in(guarded, "debian") == "in", limit=120)
    assert guarded.sudo("nft list tables").stdout == ""
    left = "ls -d /etc/flights-mlops/trial /etc/systemd/system/flights-mlops-*"
    until("nothing is left of it", lambda: guarded.sudo(left, check=False).stdout == "")


def test_the_steps_change_the_host_once(guarded: Machine) -> None:
    """All work, and none has anything to do again."""
    for name in STEPS:
        step(guarded, name)
    for name in STEPS:
        done = step(guarded, name)
        assert "No changes" in done.stdout + done.stderr, name


def test_passwords_and_root_are_refused(guarded: Machine) -> None:
    """A key of a user opens it, and nothing else does."""
    assert log_in(guarded, "guest", password=PASSWORD) == "refused"
    assert log_in(guarded, "debian", password=PASSWORD) == "refused"
    assert log_in(guarded, "root") == "refused"
    assert log_in(guarded, "debian") == "in"


def test_who_comes_too_often_has_to_wait(guarded: Machine, outside: list[str]) -> None:
    """Twenty connections in a row are answered, and of many more not half; other addresses do not notice."""
    for address in outside:
        assert connections(address, 22, 20, timeout=5) == 20
        assert connections(address, 22, 40) < 20
    assert log_in(guarded, "debian") == "in"


def test_security_updates_come_by_themselves_and_no_others(guarded: Machine) -> None:
    """unattended-upgrades itself says whose packages it would install; apt's timers start it."""
    said = guarded.sudo("unattended-upgrade --dry-run --debug").stdout
    allowed = next(line for line in said.splitlines() if line.startswith("Allowed origins are:"))
    assert "origin=Debian,label=Debian-Security,codename=bookworm-security" in allowed
    assert all("security" in origin for origin in allowed.removeprefix("Allowed origins are:").split(", "))
    assert (
        guarded.run("systemctl is-active apt-daily.timer apt-daily-upgrade.timer").stdout.split()
        == ["active"] * 2
    )


def test_the_clock_follows_time_servers(guarded: Machine) -> None:
    """The daemon is enabled; it does not run here, because the clock of a container is another's."""
    assert guarded.run("systemctl is-enabled systemd-timesyncd").stdout.strip() == "enabled"


def test_it_is_as_closed_after_a_reboot(guarded: Machine, outside: list[str]) -> None:
    """The firewall is loaded with the system, and a deploy has nothing to do."""
    guarded.reboot()
    done = step(guarded, "firewall.close")
    assert "No changes" in done.stdout + done.stderr
    guarded.sudo("systemd-run --quiet --unit=listener python3 -m http.server 9100 --bind ::")
    until("it listens", lambda: "9100" in guarded.run("ss -Hltn").stdout)
    for address in outside:
        assert (connections(address, 22, 1, timeout=5), connections(address, 9100, 1)) == (1, 0)
