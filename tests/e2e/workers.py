"""What the process that starts the others (`--numprocesses`) does for them, with pytest-xdist's hooks."""

from contextlib import ExitStack
from dataclasses import asdict
from typing import Any

from .caches import caches
from .command import run
from .machine import LABEL

SECONDS: dict[str, float] = {}
"""How long things took, by what they are called in the summary."""


class Workers:
    """The caches that all processes use, what they have timed, and what one that was killed has left."""

    def __init__(self) -> None:
        """Start nothing yet."""
        self.resources = ExitStack()
        self.shared: dict[str, str] = {}
        self.run_id = ""

    def pytest_configure_node(self, node: Any) -> None:
        """Tell a process where the caches are; the first one has them started."""
        if not self.shared:
            self.shared = asdict(self.resources.enter_context(caches()))
        node.workerinput["caches"] = self.shared
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
