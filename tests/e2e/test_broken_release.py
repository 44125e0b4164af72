"""A release that cannot be built or cannot start is deployed: what ran goes on running."""

from pathlib import Path

import pytest
import requests

from .airflow import airflow
from .checkout import Checkout
from .containers import health, ids
from .machine import Machine


def failed(machine: Machine, checkout: Checkout) -> str:
    """Deploy what is broken; gives what was said, having seen that the stack did not notice."""
    machine.deploy()
    running, current = ids(machine), machine.run("readlink /opt/flights-mlops/current").stdout
    done = machine.pyinfra("deploy.py", checkout=checkout.path)
    said = done.stdout + done.stderr
    assert done.returncode != 0, said
    assert "traceback" not in said.lower()
    assert ids(machine) == running
    assert set(health(machine).values()) == {"healthy"}
    assert machine.run("readlink /opt/flights-mlops/current").stdout == current
    with airflow(machine) as api:
        assert api.log_in() == requests.codes.created
    return said


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    """Copy the project, to break the copy."""
    return Checkout(tmp_path / "clone")


def test_a_failed_build_shows_its_last_lines(trixie: Machine, checkout: Checkout) -> None:
    """What the build itself printed last is on the screen."""
    checkout.append(
        "files/airflow/Dockerfile", "\nRUN echo the last words of the build $((40 + 2)) && exit 7\n"
    )
    said = failed(trixie, checkout)
    assert "the last words of the build 42" in said


def test_a_failed_init_shows_its_last_lines(trixie: Machine, checkout: Checkout) -> None:
    """Init fails, the deploy stops there with the container's log, and the next good deploy puts it right."""
    initialise = "#!/bin/sh\necho the last words of init $((40 + 2))\nexit 7\n"
    checkout.write("files/airflow/initialise", initialise)
    said = failed(trixie, checkout)
    assert "the last words of init 42" in said
    trixie.deploy()
    assert set(health(trixie).values()) == {"healthy"}
