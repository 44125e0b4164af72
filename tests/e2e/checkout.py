"""A copy of the project to change things in, as a user changes a clone."""

import shutil
from pathlib import Path

from .command import ROOT, run


class Checkout:
    """A git checkout of the project as it is in the working tree, in a directory of its own."""

    def __init__(self, path: Path) -> None:
        """Copy the files that git tracks, uncommitted edits included."""
        self.path = path
        for name in run(["git", "-C", ROOT, "ls-files", "-z"]).stdout.split("\0"):
            if name and (ROOT / name).is_file():
                (path / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, path / name)
        run(["git", "-C", path, "init", "--quiet"])
        self.track()

    def track(self) -> None:
        """Tell git of all files."""
        run(["git", "-C", self.path, "add", "--all", "--force", "."])

    def write(self, name: str, text: str) -> None:
        """Write a file, new or not, and tell git of it."""
        (self.path / name).parent.mkdir(parents=True, exist_ok=True)
        (self.path / name).write_text(text)
        self.track()

    def append(self, name: str, text: str) -> None:
        """Add text to the end of a file."""
        self.write(name, (self.path / name).read_text() + text)

    def replace(self, name: str, old: str, new: str) -> None:
        """Put a text in the place of another one, which has to be there."""
        text = (self.path / name).read_text()
        assert old in text, f"{name} has no {old!r} any more"
        self.write(name, text.replace(old, new))

    def remove(self, name: str) -> None:
        """Delete a file, and have git forget it."""
        (self.path / name).unlink()
        self.track()
