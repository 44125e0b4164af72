"""Automatic updates: the files of the host, when they are as the settings say."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pyinfra.api import Host, StringCommand

from deploy import updates
from deploy.core.run import Run
from deploy.settings import Settings
from deploy.updates import APT, NEEDRESTART, TIMERS, Updates, UpdatesState, configuration, outdated


def test_docker_is_updated_if_containers_outlive_that() -> None:
    """Without live-restore, its update would end them."""
    assert "origin=Docker" in configuration(Settings())[APT]
    assert "origin=Docker" not in configuration(Settings(live_restore=False))[APT]


def test_a_file_is_known_by_its_content(machine: Path, see: Callable[..., Any]) -> None:
    """One that was edited is written again."""
    wanted = configuration(Settings())
    assert see(Updates) == UpdatesState()
    path = machine / APT.lstrip("/")
    path.parent.mkdir(parents=True)
    path.write_text(wanted[APT])
    assert outdated(see(Updates), wanted) == {NEEDRESTART: wanted[NEEDRESTART]}
    path.write_text(f"{wanted[APT]}\n")
    assert outdated(see(Updates), wanted) == wanted


def test_it_is_known_whether_the_host_has_ever_upgraded(machine: Path, see: Callable[..., Any]) -> None:
    """By the mark that apt.systemd.daily leaves."""
    stamp = machine / "var/lib/apt/periodic/upgrade-stamp"
    stamp.parent.mkdir(parents=True)
    stamp.touch()
    assert see(Updates).upgraded


def test_all_lines_are_read() -> None:
    """Packages, timers, hashes and the mark."""
    digest = hashlib.sha256().hexdigest()
    lines = ["installed needrestart", f"enabled {TIMERS[0]}", f"{digest} {APT}", "upgraded before"]
    expected = UpdatesState(frozenset({"needrestart"}), frozenset(TIMERS[:1]), {APT: digest}, upgraded=True)
    assert Updates().read(lines) == expected


def configured(found: UpdatesState, monkeypatch: pytest.MonkeyPatch) -> list[StringCommand]:
    """Return the commands that configure updates on such a host."""
    monkeypatch.setattr(updates, "ask", lambda _: found)
    wanted = configuration(Settings())
    return list(updates._automate._inner(wanted=wanted, lock_timeout=5))  # noqa: SLF001 - what the operation is made of


def test_what_is_missing_is_installed_and_written(
    machine: Path, run: Callable[..., Any], see: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the timers are enabled at last."""
    installation, *writing, enabling = configured(UpdatesState(), monkeypatch)
    assert isinstance(installation, Run)
    assert installation.values["names"] == ["unattended-upgrades", "needrestart"]
    assert str(enabling) == "systemctl enable --quiet --now apt-daily.timer apt-daily-upgrade.timer"
    for command in writing:
        assert run(command).returncode == 0
    assert outdated(see(Updates), configuration(Settings())) == {}
    assert {path.name for path in (machine / APT.lstrip("/")).parent.iterdir()} == {"60flights-mlops"}


def test_nothing_is_done_where_all_is_there(
    run: Callable[..., Any], see: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, local: Host
) -> None:
    """A timer that is not enabled is something to do."""
    for command in configured(UpdatesState(), monkeypatch)[1:-1]:
        run(command)
    monkeypatch.setattr(local, "noop", lambda _: None)
    packages, hashes = frozenset({"unattended-upgrades", "needrestart"}), see(Updates).hashes
    assert configured(UpdatesState(packages, frozenset(TIMERS), hashes), monkeypatch) == []
    (command,) = configured(UpdatesState(packages, frozenset(TIMERS[:1]), hashes), monkeypatch)
    assert str(command).startswith("systemctl enable")
