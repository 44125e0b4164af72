"""Text for a host: files/NAME as it is, templates/NAME filled in, in a folder named as its capability."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from deploy.core.paths import ROOT


def text(name: str, **values: object) -> str:
    """Return files/NAME, or with ``values`` the template templates/NAME.j2 filled in with them."""
    if not values:
        return (ROOT / "files" / name).read_text()
    return environment(ROOT / "templates").get_template(f"{name}.j2").render(values)


@cache
def environment(folder: Path) -> Environment:
    """Return Jinja for the templates in ``folder``: a value that does not exist is an error.

    The filters ``to_env`` and ``to_yaml`` quote a value for compose's .env and for its YAML.
    """
    found = Environment(
        loader=FileSystemLoader(folder),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,  # a file that is saved in the middle of a deploy belongs to the next one
        autoescape=False,  # noqa: S701 - nothing is HTML
    )
    found.filters.update(to_env=_to_env, to_yaml=_to_yaml)
    return found


def _to_env(value: object) -> str:
    """Quote a value for compose's .env: single quotes keep a $ as it is."""
    return "'" + str(value).replace("'", "\\'") + "'"


def _to_yaml(value: str) -> str:
    """Quote a text for compose's YAML, of which JSON's strings are a part; a $ stays one."""
    return json.dumps(value, ensure_ascii=False).replace("$", "$$")
