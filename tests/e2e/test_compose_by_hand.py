"""The three commands of the documentation, typed on the host."""

import json

from .airflow import airflow
from .command import until
from .containers import health, ids
from .machine import Machine

COMPOSE = "cd /opt/flights-mlops && sudo docker compose -f airflow/docker-compose.yaml"


def test_the_three_compose_commands_work_by_hand(trixie: Machine) -> None:
    """After a `down`, they bring a stack up that runs the pipeline, and a deploy finds nothing to do."""
    trixie.as_deployed()
    # What earlier builds have kept may be gone: with this one, the next comes to the same image.
    trixie.run(f"{COMPOSE} build")
    trixie.deploy()
    trixie.run(f"{COMPOSE} down")
    assert health(trixie) == {}

    trixie.run(f"{COMPOSE} build")
    said = trixie.run(f"{COMPOSE} up airflow-init")
    assert "exited with code 0" in said.stdout + said.stderr
    trixie.run(f"{COMPOSE} up -d")

    until("every service is healthy", lambda: set(health(trixie).values()) == {"healthy"}, limit=600)
    with airflow(trixie) as api:
        assert api.state("flights_bronze", api.run("flights_bronze")) == "success"

    running = ids(trixie)
    done = trixie.deploy("--json")
    totals = json.loads(done.stdout)["results"]["totals"]
    assert (totals["success"], totals["error"]) == (0, 0), done.stdout
    assert ids(trixie) == running
