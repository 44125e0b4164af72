"""The service user: a system user without a login that the stack runs as."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

from pyinfra import host
from pyinfra.api import StringCommand

from deploy.core import hosts
from deploy.core.facts import Fact, ask, look, pairs
from deploy.core.step import deploy, operation

NAME = "flights-mlops"
NO_LOGIN = ("/usr/sbin/nologin", "/sbin/nologin", "/bin/false", "/usr/bin/false")


@dataclass(frozen=True)
class User:
    """The service user as it was found."""

    uid: int
    """The user id that the stack runs as, or will where there is no such user yet; never root's."""
    shell: str = ""
    """Its shell; empty where there is no such user, and on the control node."""


class ServiceUser(Fact[User]):
    """The service user; ``guarded`` where the host has one of its own, which is every host reached over SSH."""

    def command(self, *, guarded: bool) -> StringCommand:
        """Return the command, which only reads."""
        return look("service_user", guarded=guarded)

    def read(self, lines: list[str]) -> User:
        """Read its lines."""
        found = pairs(lines, uid=r"[1-9]\d*", login=".*")
        return User(int(found["uid"]), found.get("login", ""))


@deploy("Service user")
def create() -> None:
    """Create the user that the stack runs as, without a shell, a home or sudo. Not on @local.

    On the control node itself the stack runs as the user who deploys.
    """
    if hosts.is_remote(host):
        _create(name=f"Create the user {NAME}", _sudo=hosts.needs_sudo(host))


def uid() -> int:
    """Return the user id that the stack runs as on the host in context, or will; never root's.

    Raises ``DeployError`` where the host does not answer.
    """
    return found().uid


def found() -> User:
    """Return the service user of the host in context.

    Raises ``DeployError`` where the host does not answer.
    """
    return ask(ServiceUser, guarded=hosts.is_remote(host))


def problems() -> list[str]:
    """Return why the stack cannot run as the service user."""
    return problems_of(found())


def problems_of(user: User) -> list[str]:
    """Return why the stack cannot run as this user."""
    if not user.shell or user.shell in NO_LOGIN:
        return []
    return [f"the user {NAME} can log in (shell {user.shell}), which the service user must not; rename that user."]


@operation()
def _create() -> Generator[StringCommand]:
    """Create the service user."""
    user = found()
    if user.shell:
        host.noop("already exists")
        return
    options = ("--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent")
    yield StringCommand("useradd", *options, "--shell", NO_LOGIN[0], "--uid", str(user.uid), NAME)
