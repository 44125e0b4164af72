"""Files of the host itself, by the path they have there: under files/host as they are, else a template."""

from __future__ import annotations

import hashlib

from deploy import template
from deploy.configuration import ROOT
from deploy.machine import Machine


def text(path: str, **values: object) -> str:
    """Return what the file at ``path`` should hold, with ``values`` filled in where it is a template."""
    if not values:
        return (ROOT / f"files/host{path}").read_text()
    return template.environment(ROOT / "templates/host").get_template(f"{path}.j2").render(values)


def is_as(wanted: str, path: str, machine: Machine) -> bool:
    """Whether the file at ``path`` was found to hold just this."""
    return machine[f"file.{path}"] == hashlib.sha256(wanted.encode()).hexdigest()
