"""What the look says of what guards a host, as the steps read it."""

from pathlib import Path

from deploy import engine, host_file, security_update
from deploy.machine import parse

from .conftest import Script


def test_files_of_ours_are_known_by_what_they_hold(machine: Path, run: Script) -> None:
    """One that was edited is another one."""
    text = host_file.text(security_update.APT)
    path = machine / security_update.APT.lstrip("/")
    path.parent.mkdir(parents=True)
    path.write_text(text)
    found = parse(run("look", "8080", "5", "yes", "").stdout.splitlines())
    assert host_file.is_as(text, security_update.APT, found)
    assert not host_file.is_as(text, security_update.NEEDRESTART, found)
    path.write_text(f"{text}\n")
    found = parse(run("look", "8080", "5", "yes", "").stdout.splitlines())
    assert not host_file.is_as(text, security_update.APT, found)


def test_the_configuration_of_the_engine_is_read_whole(machine: Path, run: Script) -> None:
    """Line breaks and spaces are part of it."""
    (machine / "etc/docker").mkdir()
    (machine / "etc/docker/daemon.json").write_text('{\n  "labels": ["a  b"]\n}\n')
    found = parse(run("look", "8080", "5", "yes", "").stdout.splitlines())
    assert engine.configuration(found) == {"labels": ["a  b"]}


def test_a_trial_that_goes_on_is_seen(machine: Path, run: Script) -> None:
    """What is on trial may be gone in a minute: it does not count yet."""
    assert not parse(run("look", "8080", "5", "yes", "").stdout.splitlines())["trial"]
    (machine / "etc/flights-mlops/trial").mkdir(parents=True)
    assert parse(run("look", "8080", "5", "yes", "").stdout.splitlines())["trial"]


def test_a_machine_of_ones_own_is_not_looked_at(machine: Path, run: Script) -> None:
    """It is not the deploy's to guard, and the look is not to take longer for it."""
    (machine / "etc/flights-mlops/trial").mkdir(parents=True)
    assert not parse(run("look", "8080", "5", "no", "").stdout.splitlines())["trial"]
