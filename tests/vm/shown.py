"""Running a command that takes long, and showing how it goes on."""

import os
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.e2e.command import Finished


def shown(command: Sequence[str | Path], *, cwd: Path, env: Mapping[str, str] | None = None) -> Finished:
    """Run a command, and print its standard error line by line, with the seconds since it began."""
    start, said = time.monotonic(), []
    with (
        tempfile.TemporaryFile("w+") as output,
        subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.PIPE,
            text=True,
            cwd=cwd,
            env=os.environ | (env or {}),
        ) as process,
    ):
        for line in process.stderr or ():
            said.append(line)
            print(f"{time.monotonic() - start:6.0f} s  {line}", end="", flush=True)
        code = process.wait()
        output.seek(0)
        return Finished(command, code, output.read(), "".join(said))
