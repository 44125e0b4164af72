"""What secrets a host has, and what has to be done about them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

from pyinfra.api import StringCommand
from typing_extensions import override

from deploy.core import paths
from deploy.core.facts import Fact, MalformedLineError, look
from deploy.credentials.table import GENERATED, GIVEN, SECRETS, Secret
from deploy.settings import Settings

DIRECTORY = f"{paths.CONFIGURATION}/secrets"
STAGED = f"{paths.CONFIGURATION}/rotation"
"""New values that are not in force yet: there during a rotation, and after one that was cut short."""
# For the group root as well, as which PostgreSQL runs; on the host, the directory keeps everybody else out.
MODE = "440"
DIRECTORY_MODE = "700"


@dataclass(frozen=True)
class Kept:
    """A secret on the host."""

    uid: int
    mode: str
    fingerprint: str = "-"
    """Of a given secret; see ``fingerprint``."""


@dataclass(frozen=True)
class Found:
    """The secrets of a host as they were found."""

    kept: dict[str, Kept] = field(default_factory=dict)
    """By their names. An empty file is none."""
    in_releases: frozenset[str] = frozenset()
    """Names of secrets that releases on the host mount."""
    is_closed: bool = False
    """Whether their directory lets in root alone."""
    is_rotating: bool = False
    """Whether a rotation was cut short."""
    is_default_login: bool = False
    has_database: bool = False
    has_stack: bool = False


class Secrets(Fact[Found]):
    """The secrets of a host, without their values."""

    def command(self) -> StringCommand:
        """Return the command, which only reads."""
        names, given = [secret.name for secret in SECRETS], [secret.name for secret, _ in GIVEN]
        return look("credentials/credentials", names=names, given=given)

    @override
    def read(self, lines: list[str]) -> Found:
        kept, in_releases, flags = {}, set(), {}
        for line in lines:
            match line.split(" "):
                case ["secret", name, uid, mode, size, mark] if f"{uid}{mode}{size}".isdecimal():
                    if size != "0":
                        kept[name] = Kept(int(uid), mode, mark)
                case ["mounted", name]:
                    in_releases.add(name)
                case ["is_closed" | "is_rotating" | "is_default_login" | "has_database" | "has_stack" as flag]:
                    flags[flag] = True
                case _:
                    raise MalformedLineError(line)
        return Found(kept, frozenset(in_releases), **flags)


def fingerprint(text: str) -> str:
    """Return enough of a hash to see that a secret is another one, and too little to guess it by."""
    return hashlib.sha256(text.encode()).hexdigest()[:5]


def missing(found: Found) -> list[str]:
    """Return the names of generated secrets that the host does not have."""
    return [secret.name for secret in GENERATED if secret.name not in found.kept]


def lost(found: Found) -> list[str]:
    """Return a sentence for each secret that cannot be generated again, because a database was made with it."""
    if not found.has_database:
        return []
    return [
        f"{DIRECTORY}/{name} is missing, but the database that was made with it is still there; restore the file "
        f"from a backup, or remove the volume {paths.VOLUME}, which deletes all Airflow data."
        for name in missing(found)
    ]


def is_complete(found: Found, uid: int) -> bool:
    """Whether each secret that is not given is there, and each that is there is readable by the service user alone."""
    needed = {secret.name for secret in SECRETS if not secret.given}
    return (
        found.is_closed
        and needed <= found.kept.keys()
        and all((kept.uid, kept.mode) == (uid, MODE) for kept in found.kept.values())
    )


def due(found: Found, settings: Settings) -> list[tuple[str, str]]:
    """Return name and content of each secret that is given, and on the host another or not there."""
    return [
        (secret.name, text)
        for secret, given in GIVEN
        if secret.is_wanted(settings) and (text := given.text())
        if (kept := found.kept.get(secret.name)) is None or kept.fingerprint != fingerprint(text)
    ]


def superfluous(found: Found, settings: Settings) -> list[str]:
    """Return the given secrets that neither a release on the host nor the next one mounts."""
    return [
        secret.name
        for secret, _ in GIVEN
        if secret.name in found.kept and not secret.is_wanted(settings) and secret.name not in found.in_releases
    ]


def given_problems(found: Found, settings: Settings) -> list[str]:
    """Return what is wrong with the secrets that the operator has to give, and never what was given.

    The host's own stay where nothing is given: a colleague without them can deploy as well.
    """
    problems = []
    for secret, given in GIVEN:
        if not secret.is_wanted(settings):
            continue
        lacking, values = given.lacking(), given.found()
        if broken := [name for name, value in values.items() if "\n" in value]:
            problems.append(
                f"{_variables(broken)} on the control node for {secret.setting} must not contain line breaks."
            )
        elif lacking and (secret.name not in found.kept or len(lacking) < len(given.required)):
            problems.append(
                f"{secret.setting} needs {_variables(lacking)} on the control node; "
                f"export {'them' if len(lacking) > 1 else 'it'}."
            )
    return problems


def _variables(names: Sequence[str]) -> str:
    return f"the environment variable{'s' * (len(names) > 1)} {' and '.join(names)}"


def login_problems(found: Found, settings: Settings) -> list[str]:
    """Return a sentence where a domain would open a login that everybody knows."""
    if not settings.domain or not found.is_default_login:
        return []
    problem = (
        f"the login is airflow / airflow, which {settings.domain} would expose; rotate it first: "
        "pyinfra inventory.py deploy.credentials.rotate secret=admin_password."
    )
    return [problem]


def chosen(text: str) -> tuple[Secret, ...]:
    """Return the secrets that a text names, with commas between, or all that can be rotated where it is empty.

    Raises ``ValueError``, a sentence, where one of the names is not that of such a secret.
    """
    by_name = {secret.name: secret for secret in GENERATED}
    names = [name.strip() for name in text.split(",")] if text else list(by_name)
    if unknown := [name for name in names if name not in by_name]:
        raise ValueError(f"cannot rotate {' or '.join(map(repr, unknown))}; choose from {', '.join(by_name)}.")
    return tuple(by_name[name] for name in names)
