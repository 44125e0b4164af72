"""Deploys in the middle of runs: each run ends with the code that it began with."""

from collections.abc import Iterator

import pytest

from .airflow import Airflow, airflow
from .checkout import Checkout
from .gated import all_of, current_release, edit, gated_run
from .machine import Machine


@pytest.fixture(scope="module")
def machine(bookworm: Machine) -> Iterator[Machine]:
    """Use a machine for the tests below; the unmodified project is on it again after them."""
    yield bookworm
    bookworm.as_deployed()


@pytest.fixture
def api(machine: Machine) -> Iterator[Airflow]:
    """Reach the stack."""
    with airflow(machine) as found:
        yield found


def deploy(machine: Machine, api: Airflow, checkout: Checkout, edition: str, *arguments: str) -> str:
    """Deploy an edition of the DAG and the code it uses; gives the release, once Airflow has it."""
    edit(checkout, edition)
    machine.deploy(*arguments, checkout=checkout.path)
    release = current_release(machine)
    api.wait_for_release(release)
    return release


def releases(machine: Machine) -> set[str]:
    """Return the releases that are on a machine."""
    return set(machine.run("ls /opt/flights-mlops/releases").stdout.split())


def test_a_run_ends_on_the_release_it_began_on(machine: Machine, api: Airflow, checkout: Checkout) -> None:
    """Two runs at once, with a deploy between their starts: all tasks of each have its own code and files."""
    first = deploy(machine, api, checkout, "first")
    with gated_run(machine, api) as earlier:
        second = deploy(machine, api, checkout, "second")
        with gated_run(machine, api) as later:
            assert (earlier.bundle_version(), later.bundle_version()) == (first, second)
            assert (earlier.task("wait")["state"], later.task("wait")["state"]) == ("running", "running")

            later.open_gate()
            assert later.wait_for_end() == "success"
            assert (later.told("wait"), later.told("follow")) == (all_of("second"), all_of("second"))

        earlier.open_gate()
        assert earlier.wait_for_end() == "success"
        assert (earlier.told("wait"), earlier.told("follow")) == (all_of("first"), all_of("first"))
        assert (earlier.bundle_version(), later.bundle_version()) == (first, second)


def test_a_release_stays_as_long_as_a_run_needs_it(machine: Machine, api: Airflow, checkout: Checkout) -> None:
    """However few releases are to stay: that of a run which goes on does, until the run has ended."""
    keep_one = ("--data", "keep_releases=1")
    needed = deploy(machine, api, checkout, "first")
    with gated_run(machine, api) as run:
        second = deploy(machine, api, checkout, "second", *keep_one)
        assert releases(machine) == {needed, second}
        third = deploy(machine, api, checkout, "third", *keep_one)
        fourth = deploy(machine, api, checkout, "fourth", *keep_one)
        assert releases(machine) == {needed, third, fourth}

        run.open_gate()
        assert run.wait_for_end() == "success"
        assert (run.told("wait"), run.told("follow")) == (all_of("first"), all_of("first"))
    machine.deploy(*keep_one, checkout=checkout.path)
    assert releases(machine) == {third, fourth}
