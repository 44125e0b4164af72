"""The history of a host, whatever people wrote into it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from deploy.status.facts import Event, History


def test_a_history_is_read_whatever_is_in_it(see: Callable[..., Any], machine: Path) -> None:
    """Backslashes, letters that hide and no text at all are one event's own; a line that was cut off is none."""
    assert see(History) == []
    rows = [
        ["2026-11-27T10:00:00Z", "deployed", "r-000000000001", "-", "abc \\t fix", "jo@here", "a \u202e b"],
        ["2026-11-27T11:00:00Z", "failed", "r-000000000002", "no \xe9", "-", "jo@here", "no message"],
    ]
    folder = machine / "var/lib/flights-mlops"
    folder.mkdir(parents=True)
    text = "".join("\t".join(row) + "\n" for row in rows)
    (folder / "history").write_bytes(text.encode() + b"2026-11-27T12:00:00Z\tdeployed\n")
    assert see(History) == [Event(*row) for row in rows]
