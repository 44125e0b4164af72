"""What guards a host: the rules of its firewall, when sshd is as wanted, which packages are missing."""  # noqa: INP001 - a package of the name `deploy` would hide the real one

import base64
import json
from dataclasses import replace

import pytest
from pyinfra.api import Host

from deploy import engine, firewall, host_file, login, package, security_update
from deploy.machine import Machine
from deploy.preflight import guard_faults
from deploy.script import is_remote
from deploy.settings import Settings

SYSTEMD = Machine(values={"systemd": "runs"})
HARDENED = {
    "ssh.passwordauthentication": "no",
    "ssh.kbdinteractiveauthentication": "no",
    "ssh.permitrootlogin": "no",
}


def chains(text: str) -> dict[str, list[str]]:
    """Return the lines of each chain of a firewall."""
    found = {}
    for part in text.split("\tchain ")[1:]:
        name, _, lines = part.partition(" {\n")
        found[name] = [line.strip() for line in lines.partition("\n\t}")[0].splitlines()]
    return found


def test_nothing_comes_in_by_default() -> None:
    """Both chains drop what no rule of theirs accepts, and no port is named but that of SSH."""
    found = chains(firewall.rules([2222], [], []))
    assert all("policy drop;" in found[name][0] for name in ("input", "forward"))
    assert [line for line in found["input"] if "tcp" in line] == ["tcp dport 2222 goto ssh"]
    assert not [line for line in found["forward"] if "proto-dst" in line]


def test_an_open_port_is_open_for_the_host_and_for_containers() -> None:
    """By the port that was asked for, before Docker changed it."""
    found = chains(firewall.rules([22], [80, 443], [443]))
    assert {"tcp dport 80 accept", "tcp dport 443 accept", "udp dport 443 accept"} <= set(found["input"])
    assert [line for line in found["forward"] if "proto-dst" in line] == [
        "meta l4proto tcp ct status dnat ct original proto-dst 80 accept",
        "meta l4proto tcp ct status dnat ct original proto-dst 443 accept",
        "meta l4proto udp ct status dnat ct original proto-dst 443 accept",
    ]


def test_open_ports_are_named_once_and_in_order() -> None:
    """The same ports are the same rules, however an inventory lists them."""
    assert firewall.open_tcp(Settings(open_ports=[9200, 80, 9200])) == [80, 9200]


def test_every_port_of_sshd_stays_open() -> None:
    """That which it listens on, and that of this connection."""
    assert firewall.ssh_ports(Machine(values={"ssh.ports": "22 2222"})) == [22, 2222]


@pytest.mark.parametrize(
    ("changed", "root", "hardened"),
    [
        ({}, False, True),
        ({}, True, True),
        ({"ssh.permitrootlogin": "without-password"}, False, False),
        ({"ssh.permitrootlogin": "without-password"}, True, True),
        ({"ssh.permitrootlogin": "yes"}, True, False),
        ({"ssh.passwordauthentication": "yes"}, False, False),
        ({"ssh.kbdinteractiveauthentication": "yes"}, False, False),
        (dict.fromkeys(HARDENED, ""), False, False),
    ],
)
def test_sshd_is_as_wanted_by_what_its_configuration_comes_to(
    changed: dict[str, str], *, root: bool, hardened: bool
) -> None:
    """Whichever file says so; root with a key is who deploys, or nobody."""
    assert login.is_hardened(Machine(values=HARDENED | changed), root=root) == hardened


def test_packages_that_are_missing() -> None:
    """Those of the settings that are on, and no second time daemon."""
    everything = package.wanted(Settings())
    assert package.missing(SYSTEMD, *everything) == ["nftables", "unattended-upgrades", "systemd-timesyncd"]
    chrony = replace(SYSTEMD, values={"package.chrony": "installed", "package.nftables": "installed"})
    assert package.missing(chrony, *everything) == ["unattended-upgrades"]
    off = Settings(firewall=False, security_updates=False, synchronise_clock=False)
    assert package.wanted(off) == []


def test_a_file_is_known_by_what_it_holds() -> None:
    """Not by its being there."""
    text = host_file.text(security_update.APT)
    assert not host_file.is_as(text, security_update.APT, SYSTEMD)
    edited = replace(SYSTEMD, values={f"file.{security_update.APT}": "0" * 64})
    assert not host_file.is_as(text, security_update.APT, edited)


def configured(text: str) -> Machine:
    """Return a machine whose engine has this configuration."""
    encoded = base64.b64encode(text.encode()).decode()
    return replace(SYSTEMD, values=SYSTEMD.values | {"docker.configuration": encoded})


def test_the_configuration_of_an_engine_is_kept() -> None:
    """None is none, and what is there is read whole."""
    assert engine.configuration(SYSTEMD) == {}
    assert engine.configuration(configured("")) == {}
    there = {"log-driver": "journald", "default-address-pools": [{"base": "10.9.0.0/16", "size": 24}]}
    assert engine.configuration(configured(json.dumps(there))) == there


@pytest.mark.parametrize("text", ["{", "{'live-restore': true}", "[]", "\xff"])
def test_a_configuration_that_is_no_json_is_refused(text: str) -> None:
    """Before anything is changed, with the name of the file; unless it is not to be changed."""
    (fault,) = guard_faults(configured(text), Settings())
    assert "/etc/docker/daemon.json" in fault
    assert "mend or remove it" in fault
    assert guard_faults(configured(text), Settings(live_restore=False)) == []


def test_a_swarm_does_not_go_with_live_restore() -> None:
    """The engine would refuse."""
    swarm = replace(SYSTEMD, values=SYSTEMD.values | {"docker.swarm": "active"})
    (fault,) = guard_faults(swarm, Settings())
    assert "set live_restore to false" in fault
    assert guard_faults(swarm, Settings(live_restore=False)) == []


def test_without_systemd_no_host_is_guarded() -> None:
    """The fault names the settings that are on, which are those to turn off."""
    (fault,) = guard_faults(Machine(), Settings(live_restore=False))
    assert "firewall, harden_ssh, security_updates, synchronise_clock need it" in fault
    off = dict.fromkeys(
        ("firewall", "harden_ssh", "security_updates", "live_restore", "synchronise_clock"), False
    )
    assert guard_faults(Machine(), Settings(**off)) == []


def test_a_machine_of_ones_own_is_not_guarded(local: Host) -> None:
    """Whoever deploys to it keeps its firewall, its sshd and its clock as they are."""
    assert not is_remote(local)
