"""What the firewall lets in, and when it is as it should be on a host."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from deploy.core.files import Files, digest
from deploy.firewall.facts import RULES, UNIT, Firewall, FirewallState, is_in_force, open_tcp, rules, wanted
from deploy.settings import Settings

See = Callable[..., FirewallState]


def chains(settings: Settings, *ssh_ports: int) -> dict[str, list[str]]:
    """Return the lines of each chain of the firewall."""
    found = {}
    for part in rules(settings, ssh_ports or (22,)).split("\tchain ")[1:]:
        name, _, lines = part.partition(" {\n")
        found[name] = [line.strip() for line in lines.partition("\n\t}")[0].splitlines()]
    return found


def test_nothing_comes_in_by_default() -> None:
    """Both chains drop what no rule of theirs accepts, and no port is named but that of SSH."""
    found = chains(Settings(), 2222)
    assert all("policy drop;" in found[name][0] for name in ("input", "forward"))
    assert [line for line in found["input"] if "tcp" in line] == ["tcp dport 2222 goto ssh"]
    assert not [line for line in found["forward"] if "proto-dst" in line]


def test_an_open_port_is_open_for_the_host_and_for_containers() -> None:
    """By the port that was asked for, before Docker changed it."""
    found = chains(Settings(domain="a.example.org"))
    assert {"tcp dport 80 accept", "tcp dport 443 accept", "udp dport 443 accept"} <= set(found["input"])
    assert [line for line in found["forward"] if "proto-dst" in line] == [
        "meta l4proto tcp ct status dnat ct original proto-dst 80 accept",
        "meta l4proto tcp ct status dnat ct original proto-dst 443 accept",
        "meta l4proto udp ct status dnat ct original proto-dst 443 accept",
    ]


def test_open_ports_are_named_once_and_in_order() -> None:
    """The same ports are the same rules, however an inventory lists them."""
    assert open_tcp(Settings(open_ports=[9200, 80, 9200])) == [80, 9200]


def test_containers_reach_the_metadata_service_if_that_is_asked_for() -> None:
    """By default it is dropped before anything that began earlier is let through."""
    first, second, *rest = chains(Settings())["forward"][1:]
    assert "169.254.0.0/16" in first
    assert "fd00:ec2::254" in second
    assert first.endswith("jump metadata")
    assert rest[0].startswith("ct state")
    assert "metadata" not in rules(Settings(metadata_access=True), (22,))


def test_a_firewall_that_was_changed_is_loaded_again() -> None:
    """Its files, whether they are loaded at boot, its rules in force; or it may be rolled back in a minute."""
    state = FirewallState(ssh_ports=(22,), enabled=True, unchanged=True)
    texts = wanted(Settings(), state)
    hashes = {path: digest(text) for path, text in texts.items()}
    state = replace(state, files=Files(hashes))
    assert is_in_force(state, texts)
    assert not is_in_force(state, wanted(Settings(open_ports=[9200]), state))
    assert not is_in_force(replace(state, enabled=False), texts)
    assert not is_in_force(replace(state, unchanged=False), texts)
    assert not is_in_force(replace(state, files=Files({RULES: hashes[RULES]})), texts)
    assert not is_in_force(replace(state, files=Files(hashes, pending=True)), texts)


def test_the_port_of_this_connection_stays_open(see: See, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside those that sshd listens on."""
    monkeypatch.setenv("SSH_CONNECTION", "192.0.2.1 50000 192.0.2.2 2200")
    assert 2200 in see(Firewall).ssh_ports


def test_a_host_that_has_no_firewall_yet(see: See, machine: Path) -> None:
    """There are no files and no rules; a file that is there is known by what it holds."""
    assert not see(Firewall).exists
    assert not see(Firewall).unchanged
    folder = machine / "etc/systemd/system"
    folder.mkdir(parents=True)
    text = wanted(Settings(), FirewallState())[UNIT]
    (folder / "flights-mlops-firewall.service").write_text(text)
    assert see(Firewall).files == Files({UNIT: digest(text)})
    (machine / "etc/flights-mlops/trial").mkdir(parents=True)
    assert see(Firewall).files.pending
