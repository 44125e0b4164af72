"""The directories that tasks write to: what they should be, and what they are on a host."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from pyinfra.api import StringCommand

from deploy.core import files, template
from deploy.core.facts import Fact, by_kind, look, pairs, table
from deploy.core.paths import CONFIGURATION, STATE
from deploy.settings import Settings


@dataclass(frozen=True)
class Directory:
    """The owner and the mode, in octal digits, of a directory."""

    uid: int
    mode: str


# Each is mounted into those services alone that need it: templates/stack/docker-compose.yaml.j2.
NAMES = ("data", "models", "logs")
WORKSPACE = f"{STATE}/workspace"
CADDY = f"{STATE}/caddy"
MODE = "750"
# Tasks write into the workspace, where data and models are mounted as well: it is root's and sticky, so that none of
# them can put anything in the place of these two.
ROOTS = {
    WORKSPACE: Directory(0, "1770"),
    f"{WORKSPACE}/data": Directory(0, "755"),
    f"{WORKSPACE}/models": Directory(0, "755"),
}
PLACES = [
    STATE,
    *(f"{STATE}/{name}" for name in NAMES),
    *ROOTS,
    CADDY,
    f"{CONFIGURATION}/secrets",
    f"{CONFIGURATION}/tls",
]
"""Where nothing but a directory may be; one above another comes first."""
SERVICE = "flights-mlops-mounts.service"
UNIT = f"/etc/systemd/system/{SERVICE}"
CLOSED = ("nosuid", "nodev")
# In a workspace, DVC's stages may run programs of the project.
WITHOUT_PROGRAMS = (*CLOSED, "noexec")


@dataclass(frozen=True)
class StorageState:
    """The directories of a host as they were found."""

    files: files.Files = field(default_factory=files.Files)
    directories: Mapping[str, Directory] = field(default_factory=dict)
    """By their paths."""
    obstacles: Mapping[str, str] = field(default_factory=dict)
    """What is where a directory belongs, by path; what is below an obstacle is left out."""
    mounts: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """The options of each directory that is mounted, by its path."""
    current_uid: int = 0
    """The user id that the current release runs as, or 0."""
    systemd: bool = False
    enabled: bool = False
    """Whether they are mounted at each boot."""


class Storage(Fact[StorageState]):
    """The directories that tasks write to; ``mounted`` are those whose mounts are asked for."""

    def command(self, *, mounted: list[str]) -> StringCommand:
        """Return the command, which only reads."""
        return look(files.PROGRAM, "storage/directories", files=[UNIT], places=PLACES, mounted=mounted)

    def read(self, lines: list[str]) -> StorageState:
        """Read its lines."""
        kinds = by_kind(lines, *files.KINDS, "directory", "obstacle", "mount", "current", "systemd", "unit")
        place = "|".join(map(re.escape, PLACES))
        found = {row[0]: row[1] for row in table(kinds["obstacle"], place, ".+")}
        return StorageState(
            files.read(kinds),
            {path: Directory(int(uid), mode) for path, uid, mode in table(kinds["directory"], place, r"\d+", "[0-7]+")},
            {path: kind for path, kind in found.items() if not any(path.startswith(f"{other}/") for other in found)},
            {path: frozenset(options.split(",")) for path, options in table(kinds["mount"], r"/\S*", r"\S+")},
            next((int(uid) for (uid,) in table(kinds["current"], r"\d+")), 0),
            systemd=bool(pairs(kinds["systemd"], runs="")),
            enabled=bool(pairs(kinds["unit"], enabled="")),
        )


def problems_of(state: StorageState) -> list[str]:
    """Return what stands where a directory belongs, a sentence each."""
    return [
        f"{path} is a {kind} and not a directory, and a task may have put it there; "
        "pyinfra inventory.py deploy.storage.repair moves it aside."
        for path, kind in state.obstacles.items()
    ]


def is_created(state: StorageState, *, uid: int, owner: int) -> bool:
    """Whether every directory is there, with its owner and mode: the service user's ``uid``, above it ``owner``'s.

    One that is still the user's who ran the release before is handed over when nothing runs as that user.
    """
    kept = [state.directories.get(f"{STATE}/{name}") for name in NAMES]
    wanted = ROOTS | {STATE: Directory(owner, MODE)}
    return all(found and found.uid in {uid, state.current_uid or uid} and found.mode == MODE for found in kept) and all(
        state.directories.get(path) == one for path, one in wanted.items()
    )


def mounts(settings: Settings) -> dict[str, tuple[str, ...]]:
    """Return the options that each directory is mounted with, by its path."""
    found: dict[str, tuple[str, ...]] = {f"{STATE}/{name}": WITHOUT_PROGRAMS for name in NAMES}
    found[WORKSPACE] = CLOSED
    if settings.domain:
        found[CADDY] = WITHOUT_PROGRAMS
    if settings.dvc_directory:
        found[settings.dvc_directory] = WITHOUT_PROGRAMS
    return found


def unit(wanted: Mapping[str, tuple[str, ...]]) -> str:
    """Return the unit that mounts the directories at boot."""
    return template.text("storage/mounts.service", mounts=wanted)


def is_mounted(state: StorageState, wanted: Mapping[str, tuple[str, ...]]) -> bool:
    """Whether they are mounted as they should be, now and after a reboot."""
    return (
        state.files.hold({UNIT: unit(wanted)})
        and state.enabled
        and all(state.mounts.get(path, frozenset()).issuperset(options) for path, options in wanted.items())
    )
