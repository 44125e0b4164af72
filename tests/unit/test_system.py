"""The systems that the stack runs on, and what is said of others."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from deploy.settings import Settings
from deploy.system import MEMORY_MIB, NEED_SYSTEMD, SUPPORTED, System, SystemState, problems_of

GOOD = SystemState("debian", "13", "trixie", "Debian GNU/Linux 13 (trixie)", "amd64", 4 * 1024 * 1024, systemd=True)


def problems(**changed: Any) -> list[str]:
    """Return the problems of a good system with these changes."""
    return problems_of(replace(GOOD, **changed), Settings(), is_remote=True)


@pytest.mark.parametrize(("system", "version"), sorted(SUPPORTED))
@pytest.mark.parametrize("architecture", ["amd64", "arm64"])
def test_supported_systems_pass(system: str, version: str, architecture: str) -> None:
    """Both Debians and both Ubuntus, on both architectures."""
    assert problems(id=system, version=version, architecture=architecture) == []


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        (
            {"version": "11", "name": "Debian GNU/Linux 11 (bullseye)"},
            "Debian GNU/Linux 11 (bullseye) is not supported; use Debian 12 or 13, or Ubuntu 22.04 or 24.04.",
        ),
        (
            {"id": "fedora", "name": "Fedora Linux 13", "architecture": ""},
            "Fedora Linux 13 is not supported; use Debian 12 or 13, or Ubuntu 22.04 or 24.04.",
        ),
        ({"architecture": "i386"}, "the architecture i386 is not supported; use amd64 or arm64."),
        ({"memory_kib": 1048576}, "1024 MiB of memory is too little; use a host with 1800 MiB or more."),
    ],
)
def test_each_problem_is_a_sentence(changed: dict[str, Any], sentence: str) -> None:
    """Word for word: what is there, what is needed, what to do."""
    assert problems(**changed) == [sentence]


def test_enough_memory_is_enough() -> None:
    """Exactly what is needed passes, a KiB less does not."""
    assert problems(memory_kib=MEMORY_MIB * 1024) == []
    assert len(problems(memory_kib=MEMORY_MIB * 1024 - 1)) == 1


def test_all_problems_are_found_at_once() -> None:
    """One line each: nobody fixes a host problem by problem."""
    found = problems(version="11", architecture="i386", memory_kib=1, systemd=False)
    assert len(found) == 4
    assert not [problem for problem in found if "\n" in problem or not problem.endswith(".")]


def test_without_systemd_some_settings_have_to_be_off() -> None:
    """The problem names those that are on; the control node itself is not set up in this way."""
    container = replace(GOOD, systemd=False)
    (problem,) = problems_of(container, Settings(live_restore=False), is_remote=True)
    assert "firewall, harden_ssh, harden_kernel, security_updates, synchronise_clock; set them to false" in problem
    off = Settings(**dict.fromkeys(NEED_SYSTEMD, False))  # type: ignore[arg-type]
    assert problems_of(container, off, is_remote=True) == []
    assert problems_of(container, Settings(), is_remote=False) == []


def test_this_system_is_read(see: Callable[..., Any]) -> None:
    """By the fact's own command; its /run has no systemd."""
    found = see(System)
    assert found.id in {"debian", "ubuntu"}
    assert found.name
    assert found.architecture in {"amd64", "arm64"}
    assert found.memory_kib > 0
    assert not found.systemd
