"""The machine that runs the tests, as a host of the stack."""

import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from .command import ROOT, Finished, run
from .host import PYINFRA, Host
from .times import RUNS, noted

# Who is root already may have no sudo.
AS_ROOT = () if os.geteuid() == 0 else ("sudo",)
KEPT = ("/opt/flights-mlops", "/etc/flights-mlops", "/var/lib/flights-mlops")


class Localhost(Host):
    """The machine that runs the tests; the stack goes again after them, unless there was one before."""

    name = "localhost"

    def __init__(self) -> None:
        """See what is there before the first deploy."""
        self.was_in_use = any(Path(path).exists() for path in KEPT)

    def run(self, command: str, *, check: bool = True) -> Finished:
        """Run a shell command as the user who runs the tests."""
        return run(["sh", "-c", command], check=check)

    def sudo(self, command: str, *, check: bool = True) -> Finished:
        """Run a shell command as root."""
        return run([*AS_ROOT, "sh", "-c", command], check=check)

    def fetch(self, path: str) -> bytes:
        """Read a file, whoever it belongs to."""
        return subprocess.run([*AS_ROOT, "cat", path], capture_output=True, check=True).stdout

    @contextmanager
    def tunnel(self, port: int, host: str = "127.0.0.1") -> Iterator[tuple[str, int]]:
        """Give the address itself: what the host reaches, the tests reach."""
        yield host, port

    @noted(RUNS)
    def pyinfra(self, *arguments: str, checkout: Path = ROOT, env: Mapping[str, str] | None = None) -> Finished:
        """Type `pyinfra -y inventory.py … --limit @local`, with the inventory of the project."""
        command: list[str | Path] = [PYINFRA, "-y", "inventory.py", *arguments, "--limit", "@local"]
        return run(command, check=False, cwd=checkout, env=env)

    def deploy(self, *arguments: str, checkout: Path = ROOT, env: Mapping[str, str] | None = None) -> Finished:
        """Type `make deploy`, or where there are arguments, what that stands for."""
        if arguments:
            return super().deploy(*arguments, checkout=checkout, env=env)
        with noted(RUNS):
            return run(["make", "deploy"], cwd=checkout, env=env)

    def clear(self) -> None:
        """Remove the stack and all it kept, if it is the tests'."""
        if not self.was_in_use:
            compose = "docker compose -f /opt/flights-mlops/airflow/docker-compose.yaml"
            self.sudo(f"{compose} down --volumes; rm -rf {' '.join(KEPT)}", check=False)
