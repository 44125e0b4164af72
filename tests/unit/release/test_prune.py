"""Which releases go, and which stay because somebody needs them."""

from dataclasses import replace

import pytest

from deploy.release.facts import Found, OnHost

# The oldest first; r-5 runs, and r-4 ran before it.
FOUND = Found(
    releases={f"r-{number}": OnHost((f"flights-mlops-airflow:i-{number}",)) for number in range(1, 6)},
    current="r-5",
    started="r-5",
    started_before="r-4",
)


@pytest.mark.parametrize(
    ("keep", "old"),
    [
        (6, []),
        (5, []),
        (4, ["r-1"]),
        (3, ["r-1", "r-2"]),
        (2, ["r-1", "r-2", "r-3"]),
        (1, ["r-1", "r-2", "r-3"]),
    ],
)
def test_the_oldest_go(keep: int, old: list[str]) -> None:
    """So many that `keep` stay, the current one and the one before it among them."""
    assert FOUND.removable(keep) == old


def test_what_is_needed_stays_however_old_it_is() -> None:
    """Then a younger one goes; after a rollback, what is current is not the youngest."""
    found = replace(FOUND, current="r-1", started="r-1", started_before="r-5")
    assert found.removable(3) == ["r-2", "r-3"]
    assert found.removable(1) == ["r-2", "r-3", "r-4"]


def test_what_runs_stays_where_another_one_was_switched_to() -> None:
    """The services still run on the release that was started; the current one never came up."""
    found = replace(FOUND, current="r-5", started="r-2", started_before="r-1")
    assert found.removable(1) == ["r-1", "r-3", "r-4"]


def test_what_a_run_that_goes_on_was_begun_with_stays() -> None:
    """Its tasks find their code there; more than `keep` may stay."""
    found = replace(FOUND, unfinished=frozenset({"r-1", "r-3", "r-gone"}))
    assert found.removable(1) == ["r-2"]
    assert found.removable(4) == ["r-2"]


def test_nothing_goes_where_the_database_did_not_answer() -> None:
    """It may know of runs that need any of them."""
    assert replace(FOUND, unfinished=None).removable(1) == []


def test_nothing_goes_where_there_is_nothing() -> None:
    """A fresh host."""
    assert Found({}).removable(1) == []
