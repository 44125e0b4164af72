"""A machine that is booted, not a container that looks like one: provisioned, used, rebooted."""

import json
import os

import requests

from tests.e2e.airflow import airflow
from tests.e2e.command import until
from tests.e2e.containers import health, ids

from .conftest import noted
from .virtual_machine import VirtualMachine

SERVICES = {"postgres-airflow", "airflow-webserver", "airflow-scheduler", "airflow-dag-processor"}
PARTS = ("metadatabase", "scheduler", "dag_processor")
DAG = "flights_bronze"
# Seconds, for QEMU on two cores that have other work.
PATIENCE = 1800


def test_it_is_a_machine_of_its_own(booted: VirtualMachine) -> None:
    """Debian's own kernel runs its own systemd, in no container, and there is nothing of ours yet."""
    assert booted.run("systemd-detect-virt --vm").stdout.strip() in {"qemu", "kvm"}
    assert booted.run("systemd-detect-virt --container", check=False).stdout.strip() == "none"
    kernel = booted.run("uname --kernel-release").stdout.strip()
    assert kernel.endswith("-cloud-amd64")
    assert kernel != os.uname().release
    assert booted.run("cat /proc/1/comm").stdout.strip() == "systemd"
    assert booted.run("command -v docker", check=False).returncode


def test_one_command_provisions_it(provisioned: VirtualMachine) -> None:
    """Its own systemd runs the engine, also from the next boot on, and every service is healthy."""
    assert provisioned.run("systemctl is-active docker.service").stdout.strip() == "active"
    assert provisioned.run("systemctl is-enabled docker.service").stdout.strip() == "enabled"
    assert health(provisioned) == dict.fromkeys(SERVICES, "healthy")


def test_airflow_answers_and_runs_the_pipeline(provisioned: VirtualMachine) -> None:
    """Through the tunnel that the deploy names, the API says that all is well, and a run succeeds."""
    with airflow(provisioned, limit=PATIENCE) as api:
        found = api.get("monitor/health")
        assert {name: found[name]["status"] for name in PARTS} == dict.fromkeys(PARTS, "healthy")
        with noted(f"a run of {DAG}"):
            assert api.state(DAG, api.run(DAG, limit=PATIENCE)) == "success"


def test_a_second_deploy_changes_nothing(provisioned: VirtualMachine) -> None:
    """Every operation says "no change", and the containers are the same."""
    running = ids(provisioned)
    with noted("second deploy"):
        done = provisioned.deploy("--json")
    totals = json.loads(done.stdout)["results"]["totals"]
    assert totals["no_change"] > 5
    assert (totals["success"], totals["error"]) == (0, 0), done.stdout
    assert ids(provisioned) == running


def test_a_reboot_brings_everything_back(provisioned: VirtualMachine) -> None:
    """After `systemctl reboot` the same containers run again by themselves, and know of the past run."""
    before = {name: container for name, (container, _) in ids(provisioned).items()}
    with noted("reboot, until systemd is up"):
        provisioned.reboot()
    with noted("from there until every service is healthy"):
        until(
            "every service is healthy",
            lambda: set(health(provisioned).values()) == {"healthy"},
            limit=PATIENCE,
            every=5,
        )
    assert {name: container for name, (container, _) in ids(provisioned).items()} == before
    with airflow(provisioned, limit=PATIENCE) as api:
        assert api.log_in() == requests.codes.created
        assert {run["state"] for run in api.get(f"dags/{DAG}/dagRuns")["dag_runs"]} == {"success"}
