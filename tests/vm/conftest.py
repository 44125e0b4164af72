"""The virtual machine that the story is played on, booted when the first test asks for it."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.e2e.caches import caches

# The hooks are pytest's to find.
from tests.e2e.conftest import (
    ALIVE,
    SECONDS,
    pytest_configure,  # noqa: F401
    pytest_runtest_makereport,  # noqa: F401
    pytest_terminal_summary,  # noqa: F401
    timed,
)

from .virtual_machine import VirtualMachine


@contextmanager
def noted(what: str) -> Iterator[None]:
    """Note how long the block takes, for the summary."""
    start = time.monotonic()
    try:
        yield
    finally:
        SECONDS[what] = time.monotonic() - start


@pytest.fixture(scope="session")
def booted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VirtualMachine]:
    """Boot a Debian 13 with nothing on it."""
    machine = VirtualMachine("booted", "trixie", tmp_path_factory.mktemp("booted") / "machine")
    with caches("127.0.0.1") as found:
        try:
            with noted("making the disk, and the first boot"):
                machine.start(found)
            ALIVE.append(machine)
            yield machine
        finally:
            machine.destroy()


@pytest.fixture(scope="session")
def provisioned(booted: VirtualMachine) -> VirtualMachine:
    """Type the command of the README."""
    timed(booted)
    return booted
