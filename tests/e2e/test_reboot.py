"""The host is rebooted: the stack comes back by itself."""

import pytest
import requests

from .airflow import airflow
from .command import until
from .containers import health, ids
from .machine import Machine


@pytest.mark.parametrize("suite", ["trixie", pytest.param("bookworm", marks=pytest.mark.slow)])
def test_the_stack_comes_back_after_a_reboot(suite: str, request: pytest.FixtureRequest) -> None:
    """The same containers run again, past runs are known, new ones succeed; no deploy is needed."""
    machine: Machine = request.getfixturevalue(suite)
    machine.as_deployed()
    containers = {name: found for name, (found, _) in ids(machine).items()}
    with airflow(machine) as api:
        past = api.run("flights_bronze")

    machine.reboot()

    until("every service is healthy", lambda: set(health(machine).values()) == {"healthy"}, limit=240)
    assert {name: found for name, (found, _) in ids(machine).items()} == containers
    with airflow(machine) as api:
        assert api.log_in() == requests.codes.created
        assert api.state("flights_bronze", past) == "success"
        assert api.state("flights_bronze", api.run("flights_bronze")) == "success"
