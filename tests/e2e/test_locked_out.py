"""What keeps others out must not lock out who deploys: steps on a bare host, broken on purpose."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from paramiko import AuthenticationException, PKey, SSHClient, SSHException, WarningPolicy
from paramiko.ed25519key import Ed25519Key

from .checkout import Checkout
from .command import ROOT, Finished, run, until
from .conftest import MakeMachine
from .machine import Machine
from .outside import connections, network
from .running import begun

PASSWORD = "correct-horse-battery"  # noqa: S105 - of a machine that lives for this test
DROP_IN = "/etc/ssh/sshd_config.d/00-flights-mlops.conf"
RULES = "/etc/flights-mlops/firewall.nft"
VALUES = "/etc/sysctl.d/60-flights-mlops.conf"
STEPS = (
    "packages.install",
    "firewall.close",
    "ssh.harden",
    "kernel.harden",
    "updates.automate",
    "clock.synchronise",
)
FOLDERS = "/etc/sysctl.d /etc/modprobe.d /etc/profile.d /etc/security /etc/systemd/coredump.conf.d /etc/ssh"
# What a deploy wrote before it cared for more than passwords.
OLD_DROP_IN = "PasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin no\n"
SSHD = {
    "x11forwarding": "no",
    "allowagentforwarding": "no",
    "maxauthtries": "3",
    "logingracetime": "30",
    "allowtcpforwarding": "yes",
}
# Of what the kernel of a container has for itself: the rest is shared with the machine that runs the tests.
KERNEL = {
    "net.ipv4.conf.all.rp_filter": "2",
    "net.ipv4.conf.eth0.send_redirects": "0",
    "net.ipv4.conf.lo.accept_redirects": "0",
    "net.ipv4.conf.default.accept_source_route": "0",
    "net.ipv4.tcp_rfc1337": "1",
    "net.ipv6.conf.default.accept_redirects": "0",
}
# Answers of sshd leave by the one network there is; but a route says that its clients are behind another one,
# and the kernel asks that route whether a packet may come from where it does.
TWO_WAYS = """
ip link add elsewhere type bridge
ip link set elsewhere up
gateway=$(ip route show default | cut -d ' ' -f 3)
ip route add table 100 default via "$gateway" dev eth0
ip rule add fwmark 7 table 100
nft add table ip two_ways
nft add chain ip two_ways answers '{ type route hook output priority mangle; }'
nft add rule ip two_ways answers tcp sport 22 meta mark set 7
ip route add "$gateway/32" dev elsewhere
"""
ONE_WAY = """
ip link delete elsewhere
ip rule delete fwmark 7 table 100
ip route flush table 100
nft delete table ip two_ways
"""
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
def guarded(new_machine: MakeMachine) -> Iterator[Machine]:
    """Make a Debian 12 whose users have passwords; its packages are there."""
    machine = new_machine("guarded", "bookworm")
    machine.sudo(f"printf '%s:{PASSWORD}\\n' root debian guest | chpasswd")
    machine.sudo("install -D -m 600 /home/debian/.ssh/authorized_keys /root/.ssh/authorized_keys")
    step(machine, "packages.install")
    yield machine
    machine.destroy()


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


def changes(done: Finished) -> bool:
    """Whether a step changed anything."""
    return "No changes" not in done.stdout + done.stderr


def values(machine: Machine) -> dict[str, str]:
    """Return the values of the kernel in question, as they are in force."""
    found = machine.sudo(f"sysctl --values {' '.join(KERNEL)}").stdout.split()
    return dict(zip(KERNEL, found, strict=True))


def log_in(machine: Machine, user: str, *, password: str | None = None) -> str:
    """Log in anew, with the machine's key if with no password; return what came of it."""
    key: PKey | None = None if password else Ed25519Key.from_private_key_file(str(machine.directory / "id_ed25519"))
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

    done = step(guarded, "ssh.harden", inventory=inventory)

    assert "sshd was not changed" in done.stdout + done.stderr
    assert PASSWORD not in done.stdout + done.stderr
    assert log_in(guarded, "guest", password=PASSWORD) == "in"
    assert log_in(guarded, "root") == "in"


def test_sshd_that_would_lock_out_is_undone(guarded: Machine) -> None:
    """The key does not open it any more once the change is made: it is rolled back, and opens it again."""
    guarded.sudo(BROKEN_KEYS)
    try:
        done = guarded.pyinfra("deploy.ssh.harden")

        assert done.returncode != 0
        assert "a second connection to guarded failed after changing sshd's configuration" in done.stderr
        assert "the change was rolled back" in done.stderr
        assert "Traceback" not in done.stdout + done.stderr
        assert log_in(guarded, "debian") == "in"
        assert log_in(guarded, "guest", password=PASSWORD) == "in"
        assert guarded.sudo(f"ls {DROP_IN}", check=False).returncode
    finally:
        guarded.sudo("rm /etc/ssh/sshd_config.d/90-keys.conf && systemctl restart ssh")


def test_a_firewall_that_would_lock_out_is_undone(guarded: Machine, checkout: Checkout) -> None:
    """Rules that let no SSH in are rolled back, and the host is reached as before."""
    checkout.replace("templates/firewall/firewall.nft.j2", GATE, "")

    done = guarded.pyinfra("deploy.firewall.close", checkout=checkout.path)

    assert done.returncode != 0
    assert "Traceback" not in done.stdout + done.stderr
    assert "a second connection to guarded failed after changing the firewall" in done.stderr
    assert "the change was rolled back" in done.stderr
    assert log_in(guarded, "debian") == "in"
    assert guarded.sudo("nft list tables").stdout == ""
    assert guarded.sudo(f"ls {RULES}", check=False).returncode


def test_a_deploy_that_is_killed_is_undone_by_the_host(guarded: Machine, checkout: Checkout) -> None:
    """Nobody is left to undo rules that let no SSH in; the host does, after the time it was given."""
    checkout.replace("templates/firewall/firewall.nft.j2", GATE, "")
    checkout.replace("deploy/core/trial.py", "\nSECONDS = 60\n", "\nSECONDS = 30\n")

    with begun(guarded, "deploy.firewall.close", checkout=checkout.path) as deploy:
        deploy.wait_for("pending confirmation for 30 s")
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
        assert not changes(step(guarded, name)), name


def test_passwords_and_root_are_refused(guarded: Machine) -> None:
    """A key of a user opens it, and nothing else does."""
    assert log_in(guarded, "guest", password=PASSWORD) == "refused"
    assert log_in(guarded, "debian", password=PASSWORD) == "refused"
    assert log_in(guarded, "root") == "refused"
    assert log_in(guarded, "debian") == "in"


def test_sshd_offers_no_more_than_is_needed(guarded: Machine) -> None:
    """By what it makes of its whole configuration; ports can still be forwarded, for the UI."""
    lines = guarded.sudo("sshd -T").stdout.splitlines()
    found = dict(line.split(" ", 1) for line in lines)
    assert {name: found[name] for name in SSHD} == SSHD


@pytest.mark.parametrize(
    ("old", "modern"),
    [
        ("MACs=hmac-sha1,hmac-sha1-etm@openssh.com,umac-64-etm@openssh.com", "MACs=hmac-sha2-256"),
        (
            "KexAlgorithms=diffie-hellman-group14-sha1,diffie-hellman-group14-sha256",
            "KexAlgorithms=diffie-hellman-group16-sha512",
        ),
        ("KexAlgorithms=diffie-hellman-group-exchange-sha256", "KexAlgorithms=curve25519-sha256"),
    ],
)
def test_a_client_of_old_algorithms_is_refused(guarded: Machine, old: str, modern: str) -> None:
    """It has nothing in common with sshd; one that knows a newer algorithm gets in."""
    ciphers = "-oCiphers=aes128-ctr"  # one that needs a MAC
    assert run([*guarded.ssh(ciphers, f"-o{modern}"), "true"], check=False).returncode == 0
    assert run([*guarded.ssh(ciphers, f"-o{old}"), "true"], check=False).returncode == 255


def test_a_host_that_an_earlier_deploy_has_hardened_is_due_once(guarded: Machine) -> None:
    """It refuses passwords and no more; the next deploy does the rest, and the one after it nothing."""
    guarded.sudo(f"printf '{OLD_DROP_IN}' >{DROP_IN} && systemctl restart ssh")
    assert changes(step(guarded, "ssh.harden"))
    assert not changes(step(guarded, "ssh.harden"))
    assert "maxauthtries 3" in guarded.sudo("sshd -T").stdout


def test_a_value_of_the_kernel_that_was_changed_by_hand_is_put_right(guarded: Machine) -> None:
    """Alone, and not where a file that is read later says so."""
    assert values(guarded) == KERNEL
    guarded.sudo("sysctl --quiet --write net.ipv4.conf.eth0.send_redirects=1 net.ipv4.tcp_rfc1337=0")
    done = step(guarded, "kernel.harden")
    assert "Set 2 kernel values" in done.stdout + done.stderr
    assert values(guarded) == KERNEL

    guarded.sudo("echo net.ipv4.tcp_rfc1337=0 >/etc/sysctl.d/99-owner.conf && sysctl -qp /etc/sysctl.d/99-owner.conf")
    try:
        assert not changes(step(guarded, "kernel.harden"))
    finally:
        guarded.sudo("rm /etc/sysctl.d/99-owner.conf")
    assert changes(step(guarded, "kernel.harden"))


def test_a_kernel_that_would_lock_out_is_undone(guarded: Machine, checkout: Checkout) -> None:
    """Whose answers leave by another way than it thinks is not locked out, but by a stricter filter."""
    loose = "net.ipv4.conf.all.rp_filter = 2"
    checkout.replace("files/kernel/sysctl.conf", loose, loose.replace("2", "1"))
    guarded.sudo(TWO_WAYS)
    try:
        assert log_in(guarded, "debian") == "in"

        done = guarded.pyinfra("deploy.kernel.harden", checkout=checkout.path)

        assert done.returncode != 0
        assert "Traceback" not in done.stdout + done.stderr
        assert "a second connection to guarded failed after changing kernel values" in done.stderr
        assert "the change was rolled back" in done.stderr
        assert log_in(guarded, "debian") == "in"
        assert values(guarded) == KERNEL
        assert guarded.fetch(VALUES).decode() == (ROOT / "files/kernel/sysctl.conf").read_text()
    finally:
        guarded.sudo(ONE_WAY)


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
    origins = allowed.removeprefix("Allowed origins are:").strip().split(", ")
    assert [origin for origin in origins if "security" not in origin] == ["origin=Docker"]
    assert guarded.run("systemctl is-active apt-daily.timer apt-daily-upgrade.timer").stdout.split() == ["active"] * 2


def test_a_service_that_uses_an_old_file_is_restarted(guarded: Machine) -> None:
    """By needrestart, as apt calls it where nobody is at a terminal; the program was replaced meanwhile."""
    replace = "cp /usr/bin/sleep /usr/local/bin/new && mv /usr/local/bin/new /usr/local/bin/sleeper"
    pid = "systemctl show --property MainPID --value sleeper"
    guarded.sudo(f"{replace} && systemd-run --quiet --unit=sleeper /usr/local/bin/sleeper infinity")
    before = guarded.run(pid).stdout
    guarded.sudo(f"{replace} && needrestart")
    assert guarded.run(pid).stdout not in {before, "0\n"}


def test_the_clock_follows_time_servers(guarded: Machine) -> None:
    """The daemon is enabled; it does not run here, because the clock of a container is another's."""
    assert guarded.run("systemctl is-enabled systemd-timesyncd").stdout.strip() == "enabled"


def test_it_is_as_closed_after_a_reboot(guarded: Machine, outside: list[str]) -> None:
    """The firewall is loaded with the system, and a deploy has nothing to do."""
    guarded.reboot()
    assert values(guarded) == KERNEL
    for name in ("firewall.close", "kernel.harden"):
        assert not changes(step(guarded, name)), name
    guarded.sudo("systemd-run --quiet --unit=listener python3 -m http.server 9100 --bind ::")
    until("it listens", lambda: "9100" in guarded.run("ss -Hltn").stdout)
    for address in outside:
        assert (connections(address, 22, 1, timeout=5), connections(address, 9100, 1)) == (1, 0)


def test_each_is_off_by_its_setting(guarded: Machine, tmp_path: Path) -> None:
    """The files are removed; sshd does as before, the kernel after its next boot."""
    off = guarded.write_inventory(tmp_path / "inventory.py", harden_ssh=False, harden_kernel=False)
    for name in ("ssh.harden", "kernel.harden"):
        assert changes(step(guarded, name, inventory=off)), name
        assert not changes(step(guarded, name, inventory=off)), name
    assert "x11forwarding yes" in guarded.sudo("sshd -T").stdout
    assert values(guarded) == KERNEL
    found = guarded.sudo(f"find {FOLDERS} -name '*flights-mlops*'", check=False)
    assert found.stdout == ""
