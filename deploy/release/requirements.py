"""What a project's requirements say, flattened for the build of an image that sees no other file. Pure."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

LOCKED = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", re.MULTILINE)
NAMES_FILE = re.compile(r"(-r|--requirement|-c|--constraint)(?:\s*=\s*|\s+|(?<=-[rc]))(?P<name>\S.*)")


@dataclass
class Requirements:
    """What is asked for, a line each, without comments and blank lines, whatever the files that it came from."""

    wanted: list[str] = field(default_factory=list)
    constraints: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    """What cannot be installed, each with its file and line."""


def collect(name: str, read: Callable[[str], str | None], lock: str) -> Requirements:
    """Return the requirements in the file ``name``, and in those that it names with ``-r`` and ``-c``.

    ``read`` returns the text of a file of the project, or None where it has none of that name. What goes beside
    ``lock``, if that is no empty text, is held against it; what follows from the requirements of requirements is for
    the build to find. No line is repeated in a problem but for a name and its versions: an address may hold a password.
    """
    locked: dict[str, set[str]] = {}
    for package, version in LOCKED.findall(lock):
        locked.setdefault(canonicalize_name(package), set()).add(version)
    found = _Collector(read=read, locked=locked)
    found.collect(name, found.wanted, ())
    return found


@dataclass
class _Collector(Requirements):
    read: Callable[[str], str | None] = field(kw_only=True)
    locked: dict[str, set[str]] = field(kw_only=True)

    def collect(self, name: str, into: list[str], above: tuple[str, ...]) -> None:
        """Add the lines of a file to ``into``, and those of the files it names; ``above`` are those that name it."""
        for number, line in _lines(self.read(name) or ""):
            if named := NAMES_FILE.fullmatch(line):
                other = posixpath.normpath(posixpath.join(posixpath.dirname(name), named["name"].strip()))
                problem = self._problem_of_file(name, other, above)
                if not problem:
                    is_constraint = named[1] in {"-c", "--constraint"}
                    self.collect(other, self.constraints if is_constraint else into, (*above, name))
            else:
                problem = _problem(re.sub(r"\s--hash[= ]\S+", "", line).strip(), self.locked)
                if not problem:
                    into.append(line)
            if problem:
                self.problems.append(f"{name}, line {number} {problem}")

    def _problem_of_file(self, name: str, other: str, above: tuple[str, ...]) -> str:
        if other == name or other in above:
            return f"names {other}, which names {name} itself; remove one of the two."
        if other.startswith(("../", "/")) or self.read(other) is None:
            return f"names {other}, which git does not track in the project; add it there."
        return ""


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield each logical line with its number, without comments; hashes are part of it."""
    number, line = 0, ""
    physical = [*text.splitlines(), ""]
    for count, part in enumerate(physical, 1):
        number, line = number or count, line + re.sub(r"(^|\s)#.*$", "", part)
        if line.endswith("\\") and count < len(physical):
            line = line[:-1]
            continue
        if wanted := " ".join(line.split()):
            yield number, wanted
        number, line = 0, ""


def _problem(line: str, locked: dict[str, set[str]]) -> str:
    """Return what is wrong with a requirement, or nothing."""
    if line.startswith("-"):
        option = re.split(r"[\s=]", line, maxsplit=1)[0]
        return (
            f"is the option {option}: the build installs named packages only, so name each requirement "
            "(uv pip compile does), and an index with the setting python_index_url."
        )
    try:
        wanted = Requirement(line)
    except InvalidRequirement:
        return "is not a valid requirement; write name==version."
    if wanted.url and not wanted.url.startswith("https://"):
        return f"has a URL for {wanted.name} that the build cannot read; use a version or https://."
    versions = locked.get(canonicalize_name(wanted.name), set())
    # A marker is for uv, which knows the image's Python.
    if (
        not versions
        or wanted.marker
        or any(wanted.specifier.contains(version, prereleases=True) for version in versions)
    ):
        return ""
    return (
        f"needs {wanted.name}{wanted.specifier}, but Airflow pins {' or '.join(sorted(versions))}; "
        "use that version, or set project_environment to separate."
    )
