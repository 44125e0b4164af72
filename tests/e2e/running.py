"""A pyinfra that goes on beside the test: watched, cut off, or waited for."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .command import ROOT, Finished, until
from .host import PYINFRA
from .machine import Machine


class Running:
    """One run of pyinfra, and what it has said so far."""

    def __init__(self, process: subprocess.Popen[bytes], output: Path) -> None:
        """Know the process, and the file that its output goes to."""
        self.process, self.output = process, output

    @property
    def said(self) -> str:
        """All that it has printed up to now."""
        return self.output.read_text(errors="replace")

    def wait_for(self, words: str, *, limit: float = 900) -> None:
        """Wait until it has said these words; an end before that is a failure, which shows what it said."""
        with suppress(TimeoutError):
            until(
                f"the words {words!r}",
                lambda: words in self.said or self.process.poll() is not None,
                limit=limit,
                every=0.05,
            )
        assert words in self.said, f"{words!r} was not said:\n{self.said}"

    def kill(self) -> str:
        """End it as a machine does that loses its power; gives what it had said."""
        self.process.kill()
        self.process.wait()
        return self.said

    def succeed(self, *, limit: float = 900) -> str:
        """Wait for its own end, which has to be a good one; gives all it said."""
        done = self.end(limit=limit)
        assert done.returncode == 0, f"it failed:\n{done.stdout}"
        return self.said

    def end(self, *, limit: float = 900) -> Finished:
        """Wait for its own end."""
        code = self.process.wait(limit)
        return Finished(self.process.args, code, self.said, "")


@contextmanager
def begun(machine: Machine, *arguments: str, checkout: Path = ROOT, inventory: Path | None = None) -> Iterator[Running]:
    """Type `pyinfra -y INVENTORY …`, and do not wait for its end; after the block it is killed."""
    number = len(list(machine.directory.glob("output-*")))
    output = machine.directory / f"output-{number}"
    command = [PYINFRA, "-y", inventory or machine.inventory, *arguments]
    with output.open("wb") as file:
        process = subprocess.Popen(
            command, cwd=checkout, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT
        )
    try:
        yield Running(process, output)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
