"""Files of the host itself, by the path they have there: under files/host as they are, else a template."""

from __future__ import annotations

import hashlib

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from deploy.configuration import ROOT
from deploy.machine import Machine


def text(path: str, **values: object) -> str:
    """Return what the file at ``path`` should hold, with ``values`` filled in where it is a template."""
    if not values:
        return (ROOT / f"files/host{path}").read_text()
    environment = Environment(
        loader=FileSystemLoader(ROOT / "templates/host"),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,  # noqa: S701 - not HTML; values are numbers and words of ours
    )
    return environment.get_template(f"{path}.j2").render(values)


def is_as(wanted: str, path: str, machine: Machine) -> bool:
    """Whether the file at ``path`` was found to hold just this."""
    return machine[f"file.{path}"] == hashlib.sha256(wanted.encode()).hexdigest()
