"""Files on a host, known by the hash of what they hold."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from pyinfra.api import QuoteString, StringCommand

from deploy.core.facts import pairs, table

PROGRAM = "core/files"
"""The program of a fact that looks at files; it takes their paths as ``files``."""
KINDS = ("file", "pending")
# At once, so that nobody reads half of it; what reads whole folders, like apt, reads no file named like the first.
PLACE = 'install -d -m 0755 "${1%/*}" && printf %s "$2" >"$1.new" && mv "$1.new" "$1"'


@dataclass(frozen=True)
class Files:
    """Files as they were found."""

    hashes: Mapping[str, str] = field(default_factory=dict)
    """By their paths; a file that does not exist has none."""
    pending: bool = False
    """Whether a change of files is pending confirmation (``trial.py``), and may be gone in a minute."""

    def hold(self, texts: Mapping[str, str]) -> bool:
        """Whether the files at these paths hold just these texts."""
        return all(self.hashes.get(path) == digest(text) for path, text in texts.items())


def digest(text: str) -> str:
    """Return the hash of a file that holds this text."""
    return hashlib.sha256(text.encode()).hexdigest()


def place(path: str, text: str) -> StringCommand:
    """Return the command that has a file that all may read hold this text."""
    return StringCommand("sh", "-c", QuoteString(PLACE), "sh", path, QuoteString(text))


def read(kinds: Mapping[str, list[str]]) -> Files:
    """Read the lines of the program, divided by kind. Raises ``MalformedLineError``."""
    rows = table(kinds["file"], r"/\S+", "[0-9a-f]{64}")
    return Files({row[0]: row[1] for row in rows}, pending=bool(pairs(kinds["pending"], yes="")))
