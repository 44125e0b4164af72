"""What a host looks like: one fact, gathered by one command, and kept until something changes the host."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import cast

from pyinfra import host
from pyinfra.api import FactBase, StringCommand
from pyinfra.api.exceptions import DeployError

from deploy import access, claim, script
from deploy.inventory import of_host

# Seconds that a look stays true while nothing of ours changes the host; a question at a terminal takes more.
FRESH = 5
# Airflow's own convention for a host whose login user is root: nothing of the stack runs as root.
DEFAULT_UID = 50000


@dataclass(frozen=True)
class Container:
    """One container of the stack, or what compose would make of its service."""

    hash: str
    image: str
    state: str
    health: str

    @property
    def healthy(self) -> bool:
        """Whether it runs and says that it is well."""
        return self.state == "running" and self.health in {"healthy", "-"}


@dataclass(frozen=True)
class Kept:
    """A file or directory that the stack keeps: its owner, mode (octal digits) and size in bytes."""

    uid: int
    mode: str
    size: int = 0


@dataclass(frozen=True)
class Lock:
    """The lock of a deploy that goes on, as it was found."""

    token: str
    client: str
    since: str
    owner: str
    message: str


@dataclass(frozen=True)
class Machine:
    """A host as it was found. A part that is not there is empty, zero or not in its mapping."""

    values: dict[str, str] = field(default_factory=dict)
    images: dict[str, str] = field(default_factory=dict)
    """Image ids by name:tag."""
    directories: dict[str, Kept] = field(default_factory=dict)
    secrets: dict[str, Kept] = field(default_factory=dict)
    releases: dict[str, str] = field(default_factory=dict)
    """The Airflow image of each release on the host, the newest release last."""
    changed: frozenset[str] = frozenset()
    """Those releases that are no longer what their names say."""
    unfinished: frozenset[str] = frozenset()
    """The releases that runs which have not ended need, where that was asked."""
    wanted: dict[str, str] = field(default_factory=dict)
    """Compose's hash of the configuration of each service of the current release."""
    found: dict[str, Container] = field(default_factory=dict)
    lock: Lock | None = None

    def __getitem__(self, key: str) -> str:
        """Return a single value, or the empty text where the host has none."""
        return self.values.get(key, "")

    def number(self, key: str) -> int:
        """Return a single value as a number, 0 where the host has none."""
        return _number(self[key])

    @property
    def uid(self) -> int:
        """The user id the stack runs as: of whoever owns its data, else the login user's, never root's."""
        owner = self.directories["data"].uid if "data" in self.directories else 0
        return owner or self.number("login.uid") or DEFAULT_UID

    @property
    def started(self) -> str:
        """The release that was last brought up whole, or the empty text."""
        return self["started"].partition(" ")[0]

    @property
    def before(self) -> str:
        """The release that ran before the current one: the last one brought up whole that is another."""
        started, _, before = self["started"].partition(" ")
        return before if started == self["current"] else started

    @property
    def serves(self) -> bool:
        """Whether an engine answers, its client has compose and buildx, and there are CAs to trust."""
        needed = ("docker.server", "docker.compose", "docker.buildx", "authorities")
        return all(self[key] for key in needed)


def _number(text: str) -> int:
    return int(text) if text.strip().isdecimal() else 0


def parse(lines: Iterable[str]) -> Machine:  # noqa: C901 - a table: one case for each kind of line
    """Read what the script ``look.sh`` prints."""
    values: dict[str, str] = {}
    images, wanted, directories, secrets, found = {}, {}, {}, {}, {}
    releases: list[tuple[int, str, str]] = []
    changed, unfinished = set(), set()
    lock = None
    for line in lines:
        match line.split(" "):
            case ["image", name, image]:
                images[name] = image
            case ["directory", name, uid, mode]:
                directories[name] = Kept(_number(uid), mode)
            case ["secret", name, uid, mode, size]:
                secrets[name] = Kept(_number(uid), mode, _number(size))
            case ["release", made, name, content, image]:
                releases.append((_number(made), name, image))
                if name != f"r-{content}":
                    changed.add(name)
            case ["unfinished", name]:
                unfinished.add(name)
            case ["lock", token, client, since, owner, *message]:
                lock = Lock(token, client, since, owner, " ".join(message))
            case ["wanted", name, config_hash]:
                wanted[name] = config_hash
            case ["found", name, config_hash, image, state, health]:
                # Of two, as an interrupted deploy leaves them, none is as it should be.
                found[name] = Container("" if name in found else config_hash, image, state, health)
            case [key, *rest]:
                values[key] = " ".join(rest)
    by_age = {name: image for _, name, image in sorted(releases)}
    sets = frozenset(changed), frozenset(unfinished)
    return Machine(values, images, directories, secrets, by_age, *sets, wanted, found, lock)


class Look(FactBase[Machine]):
    """The fact that one command gathers."""

    def command(
        self,
        ui_port: int = 8080,
        keep_releases: int = 5,
        guarded: str = "no",
        remote: str = "",
        ports: tuple[int, ...] = (),
    ) -> StringCommand:
        """Return the command, which asks who holds ``ui_port`` and the ``ports`` of a proxy.

        What needs releases it asks if there are more than ``keep_releases``, what guards if "yes".
        """
        return script.command("look", *map(str, (ui_port, keep_releases, guarded, remote, *ports)))

    @staticmethod
    def default() -> Machine:
        """Return a machine of which nothing is known."""
        return Machine()

    def process(self, output: list[str]) -> Machine:
        """Read the command's output."""
        return parse(output)


def look() -> Machine:
    """Return what the host in context looks like: as gathered just before, if nothing has changed it since.

    Raises ``DeployError`` where that cannot be seen.
    """
    kept = host.connector_data.get(script.SEEN)
    if not isinstance(kept, tuple) or time.monotonic() - kept[0] > FRESH:
        settings, _ = of_host()
        given = {
            "ui_port": settings.ui_port,
            "keep_releases": settings.keep_releases,
            "ports": settings.public_ports,
            "remote": settings.dvc_directory,
            "guarded": "yes" if script.is_remote(host) else "no",
        }
        try:
            found = host.get_fact(Look, **given, _sudo=script.needs_sudo(host), _ignore_errors=True)
        except EOFError:  # nobody is there to be asked for a password
            found = Machine()
        if not found["os.id"]:
            raise DeployError(access.fault())
        if found.lock and claim.is_gone(found.lock.client):
            host.connector_data[script.DEAD] = found.lock.token
        kept = host.connector_data[script.SEEN] = (time.monotonic(), found)
    return cast("Machine", kept[1])
