"""What the process that starts the others (`--numprocesses`) does for them, with pytest-xdist's hooks."""

import json
from contextlib import ExitStack
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

from .caches import caches
from .command import run
from .machine import LABEL

SECONDS: dict[str, float] = {}
"""How long things took, by what they are called in the summary."""


class ByHost(LoadScopeScheduling):
    """Shares the tests out by groups that the processes have written down, each of them the same.

    xdist's own `--dist loadgroup` puts the group into a test's name, which pytest 9.2 does not let it do.
    """

    directory: Path

    @cached_property
    def groups(self) -> dict[str, str]:
        """Return the group of each test."""
        found: dict[str, str] = json.loads(next(self.directory.iterdir()).read_text())
        return found

    def _split_scope(self, nodeid: str) -> str:
        return self.groups[nodeid]


class Workers:
    """The caches that all processes use, what they have timed, and what one that was killed has left."""

    def __init__(self) -> None:
        """Start nothing yet."""
        self.resources = ExitStack()
        self.shared: dict[str, str] = {}
        self.run_id = ""
        self.groups = Path(self.resources.enter_context(TemporaryDirectory()))

    def pytest_xdist_make_scheduler(self, config: pytest.Config, log: Any) -> ByHost:
        """Have the tests shared out by host."""
        scheduler = ByHost(config, log)
        scheduler.directory = self.groups
        return scheduler

    def pytest_configure_node(self, node: Any) -> None:
        """Tell a process where the caches are; the first one has them started."""
        if not self.shared:
            self.shared = asdict(self.resources.enter_context(caches()))
        node.workerinput["caches"] = self.shared
        node.workerinput["groups"] = str(self.groups)
        self.run_id = node.workerinput["testrunuid"]

    def pytest_testnodedown(self, node: Any, error: object) -> None:  # noqa: ARG002 - the hook's own
        """Take over what a process has timed."""
        SECONDS.update(getattr(node, "workeroutput", {}).get("seconds", {}))

    def pytest_unconfigure(self) -> None:
        """Stop the caches, and remove the machines of processes that could not do so."""
        self.resources.close()
        left = run(
            ["docker", "ps", "--all", "--quiet", f"--filter=label={LABEL}={self.run_id}"]
        ).stdout.split()
        if left:
            run(["docker", "rm", "--force", "--volumes", *left], check=False)
