"""Wall times of contestants that take turns, and Markdown tables."""

import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

REPEATS = 5

Action = Callable[[], object]


def nothing() -> None:
    """Do nothing."""


@dataclass(frozen=True)
class Contestant:
    """Something that is timed, and what has to be done before it, which is not."""

    name: str
    action: Action
    before: Action = nothing


def seconds(action: Action) -> float:
    """Return the wall time of an action, in seconds."""
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def in_turn(contestants: Sequence[Contestant], repeats: int = REPEATS) -> dict[str, float]:
    """Return the median of each one's wall times.

    They go A B C A B C, so that what else the machine does meanwhile falls on all of them.
    """
    taken: dict[str, list[float]] = {contestant.name: [] for contestant in contestants}
    for _ in range(repeats):
        for contestant in contestants:
            contestant.before()
            taken[contestant.name].append(seconds(contestant.action))
    return {name: statistics.median(times) for name, times in taken.items()}


def table(title: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a Markdown table, its first column text and the others numbers."""
    lines = [title, ["---", *("---:" for _ in title[1:])], *rows]
    print("\n" + "\n".join(f"| {' | '.join(line)} |" for line in lines), flush=True)


def note(text: str) -> None:
    """Print a paragraph beside a table."""
    print(f"\n{text}", flush=True)
