"""A deploy that goes on while the test looks, as somebody at another terminal does."""

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .command import ROOT, until
from .host import PYINFRA
from .machine import Machine


@dataclass(frozen=True)
class Deploying:
    """One `pyinfra -y INVENTORY deploy.py …` that has been started."""

    process: subprocess.Popen[bytes]
    output: Path

    @property
    def said(self) -> str:
        """What it has said until now."""
        return self.output.read_text()

    @property
    def has_ended(self) -> bool:
        """Whether it has ended."""
        return self.process.poll() is not None

    def wait_until_it_says(self, words: str, *, limit: float = 180) -> None:
        """Wait for words in its output."""

        def says() -> bool:
            ended = self.has_ended
            assert words in self.said or not ended, f"the deploy ended without {words!r}:\n{self.said}"
            return words in self.said

        until(f"a deploy that says {words!r}", says, limit=limit, every=0.2)

    def wait_for_success(self, *, limit: float = 300) -> str:
        """Wait until it has ended, well; gives all it said."""
        until("the end of the deploy", lambda: self.has_ended, limit=limit, every=0.2)
        assert self.process.returncode == 0, f"the deploy failed:\n{self.said}"
        return self.said

    def kill(self) -> None:
        """End it at once, with no time to clean up."""
        self.process.kill()
        self.process.wait()


@contextmanager
def deploying(machine: Machine, *arguments: str, checkout: Path = ROOT) -> Iterator[Deploying]:
    """Start a deploy; one that goes on after the block is ended."""
    command = [PYINFRA, "-y", machine.inventory, "deploy.py", *arguments]
    with tempfile.NamedTemporaryFile(suffix=".log") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=checkout
        )
        deploy = Deploying(process, Path(output.name))
        try:
            yield deploy
        finally:
            deploy.kill()
