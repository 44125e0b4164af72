"""What a project's requirements may say, for the build of an image that sees no other file of the project. Pure."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

LOCKED = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", re.MULTILINE)
# The options that name another file, as pip takes them: -r base.txt, -rbase.txt, --constraint=limits.txt.
INCLUDE = re.compile(r"(?:-(?P<short>[rc])\s*|--(?P<long>requirement|constraint)(?:\s*=\s*|\s+))(?P<target>\S.*)")
HASH = re.compile(r"\s--hash[= ]\S+")

Files = Callable[[str], str | None]
"""Gives the text of a file of the project by its path, or None where git tracks none."""


@dataclass(frozen=True)
class Requirements:
    """What all files together require, a requirement a line with its hashes, without comments and blank lines."""

    wanted: tuple[str, ...]
    constraints: tuple[str, ...]
    problems: tuple[str, ...]
    """Why they cannot be installed, each beginning with the file that it is about."""


@dataclass(frozen=True)
class _Line:
    file: str
    number: int
    text: str
    is_constraint: bool
    problem: str = ""


def collect(name: str, files: Files, lock: str, *, numbered: bool = True) -> Requirements:
    """Read a requirements file, and those that it names with -r and -c; a problem tells its line if ``numbered``.

    A requirement that cannot go with ``lock``, if that has any, is a problem. What follows from the requirements of
    requirements is for the build to find. No line is repeated but for a name and its versions: an address may hold a
    password.
    """
    locked: dict[str, set[str]] = {}
    for package, version in LOCKED.findall(lock):
        locked.setdefault(canonicalize_name(package), set()).add(version)
    lines = list(_all_lines(name, files))
    # A constraint on what nobody requires harms nothing: whether one does is for the build to find.
    problems = [
        f"{line.file}{f', line {line.number}' if numbered else ''} {problem}"
        for line in lines
        if (problem := line.problem or _problem(line.text, {} if line.is_constraint else locked))
    ]
    return Requirements(
        tuple(line.text for line in lines if not line.is_constraint),
        tuple(line.text for line in lines if line.is_constraint),
        tuple(problems),
    )


def _all_lines(name: str, files: Files, *, is_constraint: bool = False, above: tuple[str, ...] = ()) -> Iterator[_Line]:
    """Yield the lines of a file, with those of another file in the place of the line that names it."""
    for number, text in _lines(files(name) or ""):
        found = INCLUDE.fullmatch(text)
        if found is None:
            yield _Line(name, number, text, is_constraint)
            continue
        target = found["target"].strip("'\"")
        other = posixpath.normpath(posixpath.join(posixpath.dirname(name), target))
        if problem := _no_include(target, other, files, (*above, name)):
            yield _Line(name, number, text, is_constraint, problem)
        else:
            # What a file of constraints names are constraints as well, as to uv.
            constrains = is_constraint or found["short"] == "c" or found["long"] == "constraint"
            yield from _all_lines(other, files, is_constraint=constrains, above=(*above, name))


def _no_include(target: str, other: str, files: Files, above: tuple[str, ...]) -> str:
    """Return why a file cannot be read in the place of the line that names it, or nothing."""
    if "://" in target:  # which may hold a password
        return "names a URL, and the build reads files of the project alone; copy it into the project."
    if posixpath.isabs(other) or f"{other}/".startswith("../"):
        return f"names {target}, which is outside the project; copy it into the project."
    if other in above:
        return f"names {target}, which leads back to this line; remove one of them."
    if files(other) is None:
        return f"names {target}, which is not a file tracked by git; add it, or correct the line."
    return ""


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield each logical line with its number, without comments, and with single spaces."""
    number, line = 0, ""
    lines = text.splitlines()
    for count, physical in enumerate([*lines, ""], 1):
        number, line = number or count, line + re.sub(r"(^|\s)#.*$", "", physical)
        if line.endswith("\\") and count <= len(lines):
            line = line[:-1]
            continue
        if wanted := " ".join(line.split()):
            yield number, wanted
        number, line = 0, ""


def _problem(line: str, locked: dict[str, set[str]]) -> str:
    """Return what is wrong with a requirement, or nothing."""
    if option := re.match(r"--[a-z-]+|-.?", line):
        return (
            f"is the option {option[0]}, which the build does not take: name each requirement (uv pip compile does), "
            "other files of the project with -r or -c, and an index with the setting python_index_url."
        )
    try:
        wanted = Requirement(HASH.sub("", line))
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
