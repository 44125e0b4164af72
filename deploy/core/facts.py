"""Facts of our own: a shell program, and the typed result of reading its lines.

A fact's text ends with a line of its own, so that output which was cut off is never taken for a whole answer. A line
that is not of its form is an error that names the host, the fact and the line.
"""

from __future__ import annotations

import re
from typing import Any, TypeVar

from pyinfra import config, host
from pyinfra.api import FactBase, QuoteString, StringCommand
from pyinfra.api.exceptions import DeployError
from typing_extensions import override

from deploy.core import batch, paths
from deploy.core.hosts import is_cut_off, needs_sudo
from deploy.core.shell import FOREIGN, Value, assigned, source

T = TypeVar("T")

END = "."
MALFORMED = "{where}: unexpected line {line} in the fact {fact} (see docs/troubleshooting.md)."


class MalformedLineError(ValueError):
    """A line of a fact is not of its form."""

    def __init__(self, line: str) -> None:
        """Name the line; what it holds may be meant for a terminal, and is shown as ASCII."""
        super().__init__(ascii(line))


def look(*programs: str, **values: Value) -> StringCommand:
    """Return the command of a fact: these programs, one after the other, with named arguments.

    They may not change anything, and must work on a host that has nothing yet.
    """
    head = f"set -u; exec 2>/dev/null; export LC_ALL=C.UTF-8; unset {' '.join(FOREIGN)}\n"
    text = "".join(source(program) for program in programs)
    return StringCommand("bash", "-c", QuoteString(f"{head}{assigned({**paths.ON_HOST, **values})}{text}\necho {END}"))


class Fact(FactBase[T]):
    """A fact whose ``read`` makes the result of its lines, and raises ``MalformedLineError``."""

    def read(self, lines: list[str]) -> T:
        """Return the result."""
        raise NotImplementedError

    @override
    def process(self, output: list[str]) -> T:
        """Read the output of the command. Raises ``DeployError`` where it is not of its form."""
        try:
            return self.read(_whole(output))
        except MalformedLineError as error:
            where, name = host.name, type(self).__name__
            raise DeployError(MALFORMED.format(where=where, fact=name, line=error)) from error


def _whole(output: list[str]) -> list[str]:
    *lines, last = output
    if last != END:
        raise MalformedLineError(last)
    for line in lines:
        if not line.isprintable():
            raise MalformedLineError(line)
    return lines


def ask(fact: type[Fact[T]], **values: object) -> T:
    """Return a fact of the host in context, asked as root.

    Raises ``DeployError``, with the reason and the way out, where the host does not answer.
    """

    def answer() -> T:
        try:
            found: T | None = host.get_fact(fact, **values, _sudo=needs_sudo(host), _ignore_errors=True)
        except EOFError:  # nobody is there to be asked for a password
            found = None
        if found is None:
            raise DeployError(_problem())
        return found

    return batch.use().remember((fact, repr(values)), answer)


def pairs(lines: list[str], **forms: str) -> dict[str, str]:
    """Read lines "key value" into a mapping; ``forms`` are patterns by key, and no other key may come.

    Raises ``MalformedLineError`` where a key comes twice, is unknown, or its value does not match.
    """
    found: dict[str, str] = {}
    for line in lines:
        key, _, value = line.partition(" ")
        if key in found or key not in forms or not re.fullmatch(forms[key], value):
            raise MalformedLineError(line)
        found[key] = value
    return found


def table(lines: list[str], *forms: str) -> list[tuple[str, ...]]:
    """Read lines of words, of which each matches its pattern; the last one may have spaces.

    Raises ``MalformedLineError`` where a line does not.
    """
    rows = []
    for line in lines:
        row = tuple(line.split(" ", len(forms) - 1))
        if len(row) != len(forms) or not all(map(re.fullmatch, forms, row)):
            raise MalformedLineError(line)
        rows.append(row)
    return rows


def by_kind(lines: list[str], *kinds: str) -> dict[str, list[str]]:
    """Divide lines "kind rest" by their first word, which is one of ``kinds`` and is left out.

    Raises ``MalformedLineError`` where it is another one.
    """
    found: dict[str, list[str]] = {kind: [] for kind in kinds}
    for line in lines:
        kind, _, rest = line.partition(" ")
        if kind not in found:
            raise MalformedLineError(line)
        found[kind].append(rest)
    return found


class Access(FactBase[str]):
    """How the user who logs in becomes root: ``root``, ``sudo``, ``password`` or ``none``."""

    def command(self) -> str:
        """Return a command that any user may run."""
        return (
            'if [ "$(id -u)" = 0 ]; then echo root; elif ! command -v sudo >/dev/null; then echo none; '
            "elif sudo -n bash -c : 2>/dev/null; then echo sudo; else echo password; fi"
        )


def answers() -> bool:
    """Whether the host in context has answered at all when facts were gathered a moment ago."""
    return bool(batch.use().known)


def _problem() -> str:
    """Return why no fact of the host in context can be read."""
    if is_cut_off(host):
        return f"the connection to {host.name} was lost; run the command again to continue."
    settings: Any = config  # whose attributes pyinfra sets by name
    passwords = (
        host.data.get("_sudo_password"),
        settings.SUDO_PASSWORD,
        host.connector_data.get("prompted_sudo_password"),
    )
    access = host.get_fact(Access, _sudo=False, _ignore_errors=True)
    return f"{host.name}: {no_access(access, with_password=any(passwords))}"


def no_access(access: str, *, with_password: bool) -> str:
    """Return why a user with this ``access`` cannot run a command as root."""
    if access == "none":
        return "the login user is not root and sudo is not installed; log in as root, or install sudo."
    if access == "password" and with_password:
        return (
            "sudo rejected the password, or does not allow this user; "
            "check with sudo -v on the host, then run the command again."
        )
    if access == "password":
        return (
            "the login user cannot use sudo without a password; "
            "allow it (NOPASSWD), pass the password with --same-sudo-password, or log in as root."
        )
    return "its state could not be read (see the error above)."
