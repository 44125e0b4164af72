"""Shell text: the programs of this tool, and named arguments for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

Value = str | int | bool | Sequence[str]

FOREIGN = (
    *("DOCKER_HOST", "DOCKER_CONTEXT", "COMPOSE_FILE", "COMPOSE_PROFILES", "COMPOSE_PROJECT_NAME"),
    *("AIRFLOW_UID", "AIRFLOW_IMAGE", "PYTHON_IMAGE", "POSTGRES_IMAGE", "CADDY_IMAGE", "UI_PORT", "BUILD_CONTEXT"),
)
"""What a user may have set for other stacks on the control node; it is not meant for this one."""
PROGRAMS = Path(__file__).parents[1]
"""The folder ``deploy/``, below which each program stands beside its capability."""


def assigned(values: Mapping[str, Value]) -> str:
    """Return shell assignments: a text, a number, yes or nothing for a bool, an array for a sequence."""
    return "".join(f"{name}={_assigned(value)}\n" for name, value in values.items())


def _assigned(value: Value) -> str:
    if isinstance(value, bool):
        return "yes" if value else "''"
    if isinstance(value, int | str):
        return _quoted(str(value))
    return f"({' '.join(map(_quoted, value))})"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def source(program: str) -> str:
    """Return the text of ``deploy/PROGRAM.sh``."""
    return (PROGRAMS / f"{program}.sh").read_text()
