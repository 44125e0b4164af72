"""cloud-init: what the provider of a VM has it do at the first boot is waited for."""

from __future__ import annotations

import time
from collections.abc import Generator
from dataclasses import dataclass

from pyinfra import host
from pyinfra.api import StringCommand
from pyinfra.api.exceptions import DeployError

from deploy.core import hosts
from deploy.core.facts import Fact, ask, look, pairs
from deploy.core.run import Run
from deploy.core.step import deploy, operation
from deploy.settings import Seconds

# Seconds between two lines that say what is waited for.
SAY_AGAIN = 10


@dataclass(frozen=True)
class CloudInitState:
    """How far cloud-init is in this boot."""

    state: str = ""
    """``running``, ``done`` or ``failed``; empty where the host does not run it."""
    stage: str = ""
    errors: str = ""
    """What went wrong, where it is done."""


class CloudInit(Fact[CloudInitState]):
    """How far cloud-init is."""

    def command(self) -> StringCommand:
        """Return the command, which only reads."""
        return look("cloud_init")

    def read(self, lines: list[str]) -> CloudInitState:
        """Read its lines."""
        return CloudInitState(**pairs(lines, state="running|done|failed", stage=".*", errors=".*"))


@deploy("cloud-init")
def wait() -> None:
    """Wait until cloud-init has finished the first boot, where the host has it."""
    _wait(name="Wait for cloud-init", timeout=hosts.settings().cloud_init_timeout)


def outcome(found: CloudInitState) -> str:
    """Return how cloud-init ended; an error of its own is no reason to stop."""
    if found.errors:
        return f"cloud-init finished with an error, the deploy continues: {found.errors}"
    if found.state == "done":
        return "cloud-init finished"
    return "cloud-init failed, the deploy continues; cloud-init status --long on the host shows the reason"


@operation()
def _wait(*, timeout: Seconds) -> Generator[StringCommand]:
    """Wait at most ``timeout`` while cloud-init runs."""
    found = ask(CloudInit)
    if found.state != "running":
        host.noop("cloud-init is not running")
        return
    yield Run("core/claim")  # the host stays locked while this waits
    start, said = time.monotonic(), -float(SAY_AGAIN)
    while (found := ask(CloudInit)).state == "running":
        waited = time.monotonic() - start
        if waited >= timeout:
            raise DeployError(
                f"cloud-init on {host.name} is still running after {timeout} s; "
                "cloud-init status --long there shows what it does; when it has finished, run the deploy again."
            )
        if waited - said >= SAY_AGAIN:
            stage = found.stage or "between two stages"
            host.log(f"Waiting for cloud-init ({stage}), {waited:.0f} s of at most {timeout} s")
            said = waited
        time.sleep(1)
    host.log(outcome(found))
