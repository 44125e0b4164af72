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

from . import times
from .caches import caches
from .machine import clear

# What takes long or what others wait for, in the order in which it is begun: what is left for the end is short, and all
# processes end at about the same time.
FIRST = (
    "trixie test_fresh_host",
    "localhost",
    "test_upgrade",
    "test_rollback",
    "test_interrupted",
    "test_locked_out",
    "test_fleet",
    "test_fresh_vm",
)


class ByHost(LoadScopeScheduling):
    """Shares the tests out by modules and hosts, so that a process has few machines to start.

    What belongs together the processes have written down, each of them the same: xdist's own `--dist loadgroup` puts it
    into a test's name, which pytest 9.2 does not let it do.
    """

    directory: Path

    @cached_property
    def groups(self) -> dict[str, list[str]]:
        """Return the host and the module of each test."""
        found: dict[str, list[str]] = json.loads(next(self.directory.iterdir()).read_text())
        return found

    def _split_scope(self, nodeid: str) -> str:
        return " ".join(self.groups[nodeid]).strip()

    def _assign_work_unit(self, node: Any) -> None:
        """Have a process go on with what comes first, and then with a host that it has already."""
        began = {scope.split()[0] for scope in self.assigned_work[node]}
        everywhere = {scope.split()[0] for assigned in self.assigned_work.values() for scope in assigned}

        def rank(scope: str) -> tuple[int, bool, bool]:
            host = scope.split(maxsplit=1)[0]
            return FIRST.index(scope) if scope in FIRST else len(FIRST), host not in began, host in everywhere

        self.workqueue.move_to_end(min(self.workqueue, key=rank), last=False)
        super()._assign_work_unit(node)


class Workers:
    """The caches that all processes use, what they have saved and timed, and what one that was killed has left."""

    def __init__(self) -> None:
        """Start nothing yet."""
        self.resources = ExitStack()
        self.shared: dict[str, str] = {}
        self.run_id = ""
        self.groups, self.shelf = (Path(self.resources.enter_context(TemporaryDirectory())) for _ in range(2))

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
        node.workerinput["groups"], node.workerinput["shelf"] = str(self.groups), str(self.shelf)
        self.run_id = node.workerinput["testrunuid"]

    def pytest_testnodedown(self, node: Any, error: object) -> None:  # noqa: ARG002 - the hook's own
        """Take over what a process has timed."""
        times.take_over(*getattr(node, "workeroutput", {}).get("times", ({}, {})))

    def pytest_unconfigure(self) -> None:
        """Stop the caches, and remove the machines that were saved, and those of processes that could not do so."""
        self.resources.close()
        clear(self.run_id)
