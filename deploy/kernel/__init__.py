"""The kernel: what it lets code on the host and others on the network do, and which modules it loads."""

from __future__ import annotations

from collections.abc import Generator

from pyinfra import host
from pyinfra.api import QuoteString, StringCommand

from deploy.core import hosts
from deploy.core.facts import ask
from deploy.core.step import deploy, operation
from deploy.core.trial import Trial, roll_back
from deploy.kernel.facts import (
    FILES,
    KEPT,
    VALUES,
    Kernel,
    KernelState,
    assignments,
    differences,
    is_hardened,
    missing,
    texts,
)


@deploy("Kernel")
def harden() -> None:
    """Set hardened kernel values, and turn off core dumps and rare network protocols. Not on @local."""
    if not hosts.is_remote(host):
        return
    sudo = hosts.needs_sudo(host)
    if hosts.settings().harden_kernel:
        _harden(name="Set hardened kernel values", _sudo=sudo)
    else:
        _remove(name="Remove the configuration of an earlier deploy", _sudo=sudo)


def _state() -> KernelState:
    return ask(Kernel, keys=[key for key, _ in assignments(texts()[VALUES])])


@operation()
def _harden() -> Generator[StringCommand]:
    """Write the files and set the values; keep that if a second connection works."""
    wanted, state = texts(), _state()
    if is_hardened(wanted, state):
        host.noop("already set")
        return
    if state.files.pending:  # to see the values that this sets again
        yield roll_back()
        state = _state()
    settings = differences(wanted[VALUES], state)
    yield Trial(
        "kernel/apply",
        undo="kernel/undo",
        files=wanted,
        also=[KEPT],
        change="kernel values",
        settings="\n".join(map(str, settings)),
    )
    host.log(f"Set {len(settings)} kernel values")
    if unknown := missing(wanted[VALUES], state):
        host.log(f"Not supported by this kernel: {', '.join(unknown)}")
    kept = differences(wanted[VALUES], _state())
    if kept:
        host.log("The kernel rejected new values for: " + ", ".join(f"{one.path} (still {one.found})" for one in kept))
    lines = (QuoteString(str(one)) for one in kept)
    yield StringCommand("printf '%s\\n'", *lines, ">", KEPT)


@operation()
def _remove() -> Generator[StringCommand]:
    """Remove what ``_harden`` has written; the values in force stay until the next boot."""
    state = _state()
    if not state.files.hashes:
        host.noop("not configured")
        return
    if state.files.pending:
        yield roll_back()
    yield StringCommand("rm --force", KEPT, *FILES)
