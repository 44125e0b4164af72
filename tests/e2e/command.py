"""Running commands of this machine, and waiting for a condition with a limit."""

import os
import shlex
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import psycopg2
import requests

ROOT = Path(__file__).parents[2]
Finished = subprocess.CompletedProcess[str]
T = TypeVar("T")


class CommandFailedError(subprocess.SubprocessError):
    """A command that had to work did not; the message has its output."""


NOT_YET = (OSError, subprocess.SubprocessError, requests.RequestException, psycopg2.OperationalError)


def run(
    command: Sequence[str | Path],
    *,
    check: bool = True,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> Finished:
    """Run a command, with `env` added to the environment; its output is in the answer and in the error."""
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
        env=os.environ | (env or {}),
    )
    if check and done.returncode:
        words = shlex.join(map(str, command))
        raise CommandFailedError(f"{words} exited {done.returncode}:\n{done.stdout}{done.stderr}")
    return done


def until(what: str, condition: Callable[[], T], *, limit: float = 60, every: float = 0.5) -> T:
    """Return the first true answer of `condition`; after `limit` seconds fail, saying `what` did not come.

    A refused connection, a failed command and an HTTP error count as "not yet".
    """
    deadline = time.monotonic() + limit
    while True:
        last: object
        try:
            answer = condition()
        except NOT_YET as error:
            last = error
        else:
            if answer:
                return answer
            last = answer
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {limit:.0f} s; last seen: {last!r}")
        time.sleep(every)
