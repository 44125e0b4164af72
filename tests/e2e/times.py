"""Where the time of a run of the tests goes, for its summary."""

import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

SECONDS: dict[str, float] = {}
"""How long things took that tests have timed, by what they are called in the summary."""
PHASES: dict[str, list[float]] = defaultdict(list)
"""How long each of what tests do over and over took."""
MODULES: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
"""How long each module took: making what its tests need, the tests, tidying up."""
FIRST_DEPLOYS = "first deploys"
RUNS = "other runs of pyinfra"

_inside = False


@contextmanager
def noted(phase: str) -> Iterator[None]:
    """Count the time of the block to a phase, unless the block is part of one already."""
    global _inside  # noqa: PLW0603 - a process of the tests does one thing at a time
    if _inside:
        yield
        return
    _inside, start = True, time.monotonic()
    try:
        yield
    finally:
        _inside = False
        PHASES[phase].append(time.monotonic() - start)


def note(report: pytest.TestReport) -> None:
    """Count the time of a test to its module."""
    MODULES[report.nodeid.partition("::")[0]][report.when] += report.duration


def taken() -> tuple[dict[str, float], dict[str, list[float]]]:
    """Return what this process has timed, for the one that writes the summary."""
    return dict(SECONDS), dict(PHASES)


def take_over(seconds: dict[str, float], phases: dict[str, list[float]]) -> None:
    """Add what another process has timed."""
    SECONDS.update(seconds)
    for phase, each in phases.items():
        PHASES[phase].extend(each)


def summary() -> Iterator[str]:
    """Write it down line by line: the phases, the modules, the longest first, and what tests have timed."""
    everything = sum(seconds for module in MODULES.values() for seconds in module.values())
    yield f"{'':60}  times  seconds"
    for phase, each in sorted(PHASES.items(), key=lambda found: -sum(found[1])):
        yield f"{phase:60} {len(each):6} {sum(each):8.0f}"
    rest = everything - sum(map(sum, PHASES.values()))
    yield f"{'all else that tests do':60} {'':6} {rest:8.0f}"
    yield ""
    yield f"{'':60} before  tests  after"
    for module, phases in sorted(MODULES.items(), key=lambda found: -sum(found[1].values())):
        before, tests, after = (phases[name] for name in ("setup", "call", "teardown"))
        yield f"{module:60} {before:6.0f} {tests:6.0f} {after:6.0f}"
    yield ""
    for what, seconds in SECONDS.items():
        yield f"{what}: {seconds:.0f} s"
