"""A host of the stack, as its user sees it."""

import shlex
from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path

from .command import ROOT, Finished

PYINFRA = ROOT / ".venv/bin/pyinfra"

CURRENT = "readlink /opt/flights-mlops/current"
HEALTH = (
    "docker ps --all --quiet --filter label=com.docker.compose.project=flights-mlops | "
    "xargs docker inspect --format '{{with .State.Health}}{{.Status}}{{else}}none{{end}}'"
)
DIAGNOSIS = """
docker ps -a --format 'table {{.Names}}\\t{{.Status}}\\t{{.Image}}'
docker ps -a --format '{{.Names}} {{.Status}}' | grep -Ev 'Up .*[(]healthy|Exited [(]0' |
while read -r name status
do echo "--- docker logs $name ($status)"; docker logs --tail 60 "$name" 2>&1; done
echo '--- journal'; journalctl --no-pager --lines 30 --priority warning
"""


class Host(ABC):
    """A machine that can be deployed to and looked at."""

    name: str
    first_deploy: Finished
    """What the first deploy of the tests said."""
    release: str
    """Where its link to the current release pointed after that."""

    @abstractmethod
    def run(self, command: str, *, check: bool = True) -> Finished:
        """Run a shell command as the user one logs in as."""

    @abstractmethod
    def fetch(self, path: str) -> bytes:
        """Fetch a file, whoever it belongs to."""

    @abstractmethod
    def tunnel(self, port: int, host: str = "127.0.0.1") -> AbstractContextManager[tuple[str, int]]:
        """Make `host:port`, as this host sees it, reachable for the tests; gives the address they use."""

    @abstractmethod
    def pyinfra(self, *arguments: str, checkout: Path = ROOT, env: Mapping[str, str] | None = None) -> Finished:
        """Type `pyinfra -y INVENTORY …` in a checkout of the project, and see what comes of it."""

    def sudo(self, command: str, *, check: bool = True) -> Finished:
        """Run a shell command as root."""
        return self.run(f"sudo sh -c {shlex.quote(command)}", check=check)

    def deploy(self, *arguments: str, checkout: Path = ROOT, env: Mapping[str, str] | None = None) -> Finished:
        """Type the command of the README, and expect it to work."""
        done = self.pyinfra("deploy.py", *arguments, checkout=checkout, env=env)
        assert done.returncode == 0, f"the deploy to {self.name} failed:\n{done.stdout}{done.stderr}"
        return done

    def as_deployed(self) -> None:
        """Have the project on it as it is here; deploys only if another release is current or a service is not well.

        Tests begin with it, and end with it where a release is all that they have changed.
        """
        if self.run(CURRENT).stdout != self.release or set(self.sudo(HEALTH).stdout.split()) != {"healthy"}:
            self.deploy()
            self.release = self.run(CURRENT).stdout

    def diagnosis(self) -> str:
        """Say what a person would look at first: containers that are not well, their logs, the journal."""
        done = self.sudo(DIAGNOSIS, check=False)
        return done.stdout + done.stderr
