"""Which files a gate has let in, so that it sees one that is delivered again under another name.

A file in `accepted/` of the data directory notes the hash of each, under the file's own name. Noted is what
a place holds: the same file again in its own place is no duplicate, nor is one whose first copy is gone.
"""

from pathlib import Path

from src.pipelines import text_table
from src.pipelines.quarantine import Fault
from src.shared.utils import atomic_path, locked, sha256_of


def enter(data: Path, source: Path, digest: str) -> list[Fault]:
    """Note that a file was let in; or return its fault, if another one beside it has the same content."""
    notes = data / "accepted" / source.parent.name
    with locked(notes):
        for note in sorted(notes.glob("*.sha256")):
            other = source.with_name(note.name.removesuffix(".sha256"))
            if other != source and note.read_text(encoding="utf-8").strip() == digest and _is(other, digest):
                count, shown = text_table.rows(source)
                said = f"its content is that of {other.name}, which was let in"
                return [Fault("duplicate_upload", row_count=count, rows=shown, detail=said)]
        with atomic_path(notes / f"{source.name}.sha256") as temporary:
            temporary.write_text(f"{digest}\n", encoding="utf-8")
    return []


def _is(path: Path, digest: str) -> bool:
    """Tell whether a file is there with this content still, and no other since it was let in."""
    return path.is_file() and sha256_of(path) == digest
