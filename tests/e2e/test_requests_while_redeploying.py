"""Somebody uses the API while it is deployed: 10 requests a second, and what becomes of them."""

from pathlib import Path

import pytest

from .airflow import airflow
from .checkout import Checkout
from .containers import containers
from .gated import current_release, edit, edit_dag, gated_run
from .load import Load
from .machine import Machine
from .running import begun
from .times import SECONDS

# The webserver is replaced in place, with no proxy before it that could let requests wait. On two cores with
# nothing else to do, it takes some twenty seconds to end and to start.
LONGEST_GAP = 60


@pytest.fixture
def checkout(machine: Machine, tmp_path: Path) -> Checkout:
    """Copy the project, with a DAG of one's own, and deploy it."""
    found = Checkout(tmp_path / "clone")
    edit(found, "first")
    machine.deploy(checkout=found.path)
    return found


def test_an_edited_dag_costs_no_request(machine: Machine, checkout: Checkout) -> None:
    """From before the deploy until Airflow has the new code, every request is answered."""
    edit_dag(checkout, "second")
    with (
        airflow(machine) as api,
        machine.tunnel(8080) as (address, port),
        Load(address, port) as load,
    ):
        machine.deploy(checkout=checkout.path)
        api.wait_for_release(current_release(machine))
    assert load.sent > 20
    assert load.reasons == {}


@pytest.mark.slow  # not for its length: a limit in seconds is none beside other tests, on a machine of any speed
def test_a_replaced_webserver_is_away_for_its_own_start(machine: Machine, checkout: Checkout) -> None:
    """A new image is built, and tasks are waited for, with every request answered; then there is one gap."""
    before = containers(machine)["airflow-webserver"]["Id"]
    checkout.append("files/images/Dockerfile", "LABEL edition=second\n")
    with airflow(machine) as api, gated_run(machine, api) as run, machine.tunnel(8080) as (address, port):
        with (
            Load(address, port) as load,
            begun(machine, "deploy.py", checkout=checkout.path) as deploy,
        ):
            deploy.wait_for("Waiting for 1 task to finish")
            assert load.sent > 20
            assert load.reasons == {}
            run.open_gate()
            deploy.succeed()
        assert run.wait_for_end() == "success"
    assert containers(machine)["airflow-webserver"]["Id"] != before
    SECONDS["longest time without an answer while the webserver is replaced"] = load.longest_gap
    assert load.longest_gap < LONGEST_GAP, load.reasons
