"""What a project's requirements.txt may say, for the build of an image that sees no other file. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

LOCKED = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", re.MULTILINE)


def problems(text: str, lock: str) -> list[str]:
    """Return why the requirements cannot be installed, each with its line: beside ``lock``, if that has any.

    What follows from the requirements of requirements is for the build to find. No line is repeated
    but for a name and its versions: an address may hold a password.
    """
    locked: dict[str, set[str]] = {}
    for name, version in LOCKED.findall(lock):
        locked.setdefault(canonicalize_name(name), set()).add(version)
    return [f"line {number} {problem}" for number, line in _lines(text) if (problem := _problem(line, locked))]


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield each logical line with its number, without comments and hashes."""
    number, line = 0, ""
    for count, physical in enumerate([*text.splitlines(), ""], 1):
        number, line = number or count, line + re.sub(r"(^|\s)#.*$", "", physical)
        if line.endswith("\\") and count <= len(text.splitlines()):
            line = line[:-1]
            continue
        if wanted := re.sub(r"\s--hash[= ]\S+", "", line).strip():
            yield number, wanted
        number, line = 0, ""


def _problem(line: str, locked: dict[str, set[str]]) -> str:
    """Return what is wrong with a requirement, or nothing."""
    if line.startswith("-"):
        option = re.split(r"[\s=]", line, maxsplit=1)[0]
        return (
            f"is the option {option}: the build has this one file, so name each requirement in it "
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
