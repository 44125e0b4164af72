"""The releases on a host, and which of them may be removed."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pyinfra import host
from pyinfra.api import StringCommand
from pyinfra.api.exceptions import DeployError

from deploy.core.facts import Fact, MalformedLineError, look
from deploy.release.content import NAME

# What the database says beside the releases that are in use, if it has answered at all.
ASKED = "asked"
SUBVERTED = (
    "{host}: the database answers {line} when asked which releases are in use; that is not a release, and a task may "
    "have changed its tables (see docs/troubleshooting.md)."
)
FORMS = {
    "current": f"({NAME})?",
    "started": f"({NAME}( ({NAME})?)?)?",
    "release": rf"{NAME} \d+ [0-9a-f]{{12}}( \S+)* ?",
    "unfinished": f"{NAME}|{ASKED}",
}


@dataclass(frozen=True)
class OnHost:
    """One release on the host."""

    images: tuple[str, ...]
    """The images it runs on, Airflow's first."""
    is_changed: bool = False
    """Whether it is no longer what its name says."""

    @property
    def image(self) -> str:
        """Its Airflow image, or nothing where its .env does not name one."""
        return self.images[0] if self.images else ""


@dataclass(frozen=True)
class Found:
    """The releases of a host."""

    releases: dict[str, OnHost]
    """By name, the newest last."""
    current: str = ""
    """The current release, or nothing."""
    started: str = ""
    """The release that last started successfully, or nothing."""
    started_before: str = ""
    """The one that started before that."""
    unfinished: frozenset[str] | None = frozenset()
    """The releases that unfinished runs need; None where the database did not answer, or was not asked."""

    @property
    def before(self) -> str:
        """The release before the current one: the last that started successfully and is another."""
        return self.started_before if self.started == self.current else self.started

    def removable(self, keep: int) -> list[str]:
        """Return the releases that may be removed, the oldest first, for ``keep`` to stay.

        Never the current one, the one before it, or one on which a run has begun and not ended.
        """
        if self.unfinished is None:
            return []
        needed = {self.current, self.started, self.before, *self.unfinished}
        others = [name for name in self.releases if name not in needed]
        return others[: max(0, len(self.releases) - keep)]


class Releases(Fact[Found]):
    """The releases on a host; the database is asked which runs need where more than ``keep`` could be there."""

    def command(self, keep: int) -> StringCommand:
        """Return the command."""
        return look("stack/judge", "release/releases", keep=keep)

    def read(self, lines: list[str]) -> Found:
        """Read the command's output. Raises ``DeployError`` where the database was tampered with."""
        found: dict[str, list[str]] = {key: [] for key in FORMS}
        for line in lines:
            key, _, value = line.partition(" ")
            if key == "unfinished" and not re.fullmatch(FORMS[key], value):
                raise DeployError(SUBVERTED.format(host=host.name, line=ascii(value)))
            if key not in FORMS or not re.fullmatch(FORMS[key], value):
                raise MalformedLineError(line)
            if key in {"current", "started"} and found[key]:
                raise MalformedLineError(line)
            found[key].append(value)
        releases = []
        for line in found["release"]:
            name, made, content, *images = line.split()
            releases.append((int(made), name, OnHost(tuple(images), is_changed=name != f"r-{content}")))
        by_age = {name: release for _, name, release in sorted(releases, key=lambda row: row[:2])}
        started, _, before = "".join(found["started"]).partition(" ")
        unfinished = frozenset(found["unfinished"]) - {ASKED} if ASKED in found["unfinished"] else None
        return Found(by_age, "".join(found["current"]), started, before, unfinished)
