"""The directories that tasks write to: closed to others, and below a directory that is root's.

What is in them is another's and is never followed: a task may put a link, a pipe or a setuid file there.
"""

from __future__ import annotations

from collections.abc import Generator
from datetime import UTC, datetime

from pyinfra import host
from pyinfra.api import QuoteString, StringCommand

from deploy import service_user
from deploy.core import hosts
from deploy.core.facts import ask
from deploy.core.paths import STATE
from deploy.core.run import StackRun
from deploy.core.step import deploy, operation
from deploy.storage.facts import (
    NAMES,
    SERVICE,
    UNIT,
    WORKSPACE,
    Storage,
    StorageState,
    is_created,
    is_mounted,
    mounts,
    problems_of,
    unit,
)


@deploy("Storage")
def provide() -> None:
    """Create the directories that tasks write to, owned by the service user and closed to other users.

    On a host over SSH they are mounted nosuid and nodev, and noexec but for the workspace.
    """
    sudo = hosts.needs_sudo(host)
    _provide(name="Create the directories that tasks write to", _sudo=sudo)
    if hosts.is_remote(host):
        _mount(name="Mount the directories that tasks write to", _sudo=sudo)


@deploy("Storage")
def repair() -> None:
    """Move aside whatever stands where one of these directories belongs: a link, a pipe or a file."""
    _repair(name="Move aside what is not a directory", _sudo=hosts.needs_sudo(host))


def problems() -> list[str]:
    """Return what stands where a directory belongs, a sentence each."""
    return problems_of(_state())


def _state() -> StorageState:
    settings, _ = hosts.settings_and_problems()
    return ask(Storage, mounted=list(mounts(settings)) if hosts.is_remote(host) else [])


@operation()
def _provide() -> Generator[StringCommand]:
    """Create what is missing, and put owners and modes right."""
    state, uid = _state(), service_user.uid()
    # On @local, the user who deploys looks into it.
    owner = 0 if hosts.is_remote(host) else uid
    if is_created(state, uid=uid, owner=owner):
        host.noop("already exist")
        return
    yield StackRun("storage/provide", uid=uid, above=owner, names=NAMES)


@operation()
def _mount() -> Generator[StringCommand]:
    """Mount them, now and at each boot."""
    state, wanted = _state(), mounts(hosts.settings())
    if not state.systemd or is_mounted(state, wanted):
        host.noop("already mounted" if state.systemd else "systemd does not run")
        return
    yield StringCommand("printf %s", QuoteString(unit(wanted)), f">{UNIT}.new && mv {UNIT}.new {UNIT}")
    yield StringCommand("systemctl daemon-reload && systemctl enable --quiet", SERVICE)
    yield StringCommand("systemctl restart", SERVICE)


@operation()
def _repair() -> Generator[StringCommand]:
    """Rename what is in the way."""
    state = _state()
    if not state.obstacles:
        host.noop("nothing is in the way")
        return
    if WORKSPACE in state.directories:  # what is in it is moved once tasks cannot move it back
        yield StringCommand("chown --no-dereference root:root", WORKSPACE, "&& chmod 1770", WORKSPACE)
    for path in state.obstacles:
        name = path.removeprefix(f"{STATE}/").replace("/", "-")
        aside = f"{STATE}/.aside-{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{name}"
        yield StringCommand("mv --no-clobber --no-target-directory", path, aside)
        host.log(f"Moved {path} to {aside}")
