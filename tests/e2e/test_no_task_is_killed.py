"""The scheduler has to be replaced while tasks run: it ends when they have, and begins nothing new."""

from collections.abc import Iterator
from datetime import datetime
from itertools import count
from pathlib import Path

import pytest

from .airflow import Airflow, airflow
from .checkout import Checkout
from .command import until
from .containers import containers, health, ids
from .gated import GatedRun, edit, gated_run
from .machine import Machine
from .running import begun

# How often Airflow looks for tasks whose scheduler is gone is its own affair, and by default rarely.
LOOKS_OFTEN = '      AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL: "5"\n'
HEALTH_CHECK = "      AIRFLOW__SCHEDULER__ENABLE_HEALTH_CHECK:"
PARALLELISM = count(3)


@pytest.fixture(scope="module")
def clone(machine: Machine, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy the project, with a DAG of one's own, and deploy it."""
    checkout = Checkout(tmp_path_factory.mktemp("no-task-is-killed") / "clone")
    edit(checkout, "first")
    checkout.replace("templates/stack/docker-compose.yaml.j2", HEALTH_CHECK, LOOKS_OFTEN + HEALTH_CHECK)
    machine.deploy(checkout=checkout.path)
    return checkout.path


@pytest.fixture
def api(machine: Machine, clone: Path) -> Iterator[Airflow]:
    """Reach the stack with that DAG."""
    assert clone.is_dir()
    with airflow(machine) as found:
        yield found


def another_setting() -> tuple[str, str]:
    """Return the arguments of a deploy that has to replace the scheduler, whatever was deployed before."""
    return "--data", f"parallelism={next(PARALLELISM)}"


def is_draining(machine: Machine) -> bool:
    """Whether the scheduler says that it waits for its tasks and then ends."""
    said = machine.sudo("docker logs flights-mlops-airflow-scheduler-1 2>&1").stdout
    return "Shutting down LocalExecutor; waiting for running tasks to finish" in said


def cut_a_drain_short(machine: Machine, clone: Path, setting: tuple[str, str]) -> None:
    """Have a deploy die while the scheduler waits for a task."""
    with begun(machine, "deploy.py", *setting, checkout=clone) as deploy:
        deploy.wait_for("Draining the scheduler: 1 task may finish")
        until("the drain", lambda: is_draining(machine))
        deploy.kill()


def was_left_alone(run: GatedRun) -> bool:
    """Whether the first task of a run began once, and came to its end at the first try."""
    return (run.outcome("wait"), run.times_begun()) == (("success", 1), 1)


def test_a_task_ends_before_its_scheduler_does(machine: Machine, clone: Path, api: Airflow) -> None:
    """What runs is waited for; what is next in its run is begun by the new scheduler, with nobody's help."""
    before = ids(machine)
    with gated_run(machine, api) as run:
        with begun(machine, "deploy.py", *another_setting(), checkout=clone) as deploy:
            deploy.wait_for("Draining the scheduler: 1 task may finish")
            until("the drain", lambda: is_draining(machine))
            run.open_gate()
            deploy.succeed()
        assert run.wait_for_end() == "success"
        assert was_left_alone(run)
        assert run.outcome("follow") == ("success", 1)
        began = datetime.fromisoformat(run.task("follow")["start_date"])
    after = ids(machine)
    assert {name for name in before if before[name] != after[name]} == {"airflow-scheduler"}
    assert began > datetime.fromisoformat(after["airflow-scheduler"][1])


def test_tasks_that_take_too_long_are_waited_for(machine: Machine, clone: Path, api: Airflow) -> None:
    """After `drain_timeout` the deploy says what it waits for; unless told to go ahead, it waits on."""
    with gated_run(machine, api) as run:
        arguments = (*another_setting(), "--data", "drain_timeout=5")
        with begun(machine, "deploy.py", *arguments, checkout=clone) as deploy:
            deploy.wait_for("still waiting (overdue_tasks=wait)")
            assert f"gated.wait of {run.id}, running since" in deploy.said
            run.open_gate()
            deploy.succeed()
        assert run.wait_for_end() == "success"
        assert was_left_alone(run)


def test_tasks_that_take_too_long_are_given_up_where_wanted(machine: Machine, clone: Path, api: Airflow) -> None:
    """With `overdue_tasks` as `go-ahead` they are named, and Airflow runs them again on the new scheduler."""
    with gated_run(machine, api) as run:
        arguments = (*another_setting(), "--data", "drain_timeout=5", "--data", "overdue_tasks=go-ahead")
        with begun(machine, "deploy.py", *arguments, checkout=clone) as deploy:
            said = deploy.succeed()
        assert f"gated.wait of {run.id}, running since" in said
        assert "going ahead (overdue_tasks=go-ahead)" in said
        until("the second try", lambda: run.times_begun() == 2, limit=120)
        run.open_gate()
        assert run.wait_for_end() == "success"


def test_a_drain_that_was_cut_short_is_taken_up(machine: Machine, clone: Path, api: Airflow) -> None:
    """Whoever deploys again waits for the same tasks: a second signal to the scheduler would kill them."""
    setting = another_setting()
    with gated_run(machine, api) as run:
        cut_a_drain_short(machine, clone, setting)
        # It schedules nothing any more, and so it says after a while that it is not well.
        until("the scheduler's word", lambda: health(machine)["airflow-scheduler"] == "unhealthy", limit=300)
        with begun(machine, "deploy.py", *setting, checkout=clone) as deploy:
            deploy.wait_for("Waiting for 1 task to finish")
            run.open_gate()
            deploy.succeed()
        assert run.wait_for_end() == "success"
        assert was_left_alone(run)
    assert f"AIRFLOW__CORE__{setting[1].upper()}" in containers(machine)["airflow-scheduler"]["Config"]["Env"]


def test_a_drain_that_was_cut_short_is_not_lost(machine: Machine, clone: Path, api: Airflow) -> None:
    """Where what is deployed next is what ran before, the scheduler that is about to end is started again."""
    former = another_setting()
    machine.deploy(*former, checkout=clone)
    before = ids(machine)
    with gated_run(machine, api) as run:
        cut_a_drain_short(machine, clone, another_setting())
        with begun(machine, "deploy.py", *former, checkout=clone) as deploy:
            deploy.wait_for("Draining the scheduler (begun by an earlier deploy): 1 task may finish")
            run.open_gate()
            deploy.succeed()
        assert run.wait_for_end() == "success"
        assert was_left_alone(run)
    after = ids(machine)
    assert {name for name in before if before[name] != after[name]} == {"airflow-scheduler"}
    assert before["airflow-scheduler"][0] == after["airflow-scheduler"][0]
    assert set(health(machine).values()) == {"healthy"}
