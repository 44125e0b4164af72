"""What Airflow adds to tasks: from the trigger to the first one's code, and from one task to the next."""

import json
import os
import statistics
import time
from datetime import datetime
from typing import Any

from bench.measure import REPEATS, table
from bench.target import Target
from tests.e2e.airflow import Airflow, airflow
from tests.e2e.checkout import Checkout
from tests.e2e.command import until

CHAIN, WIDE = 6, 48
# A task says when its own code ran; on one machine all clocks are the same.
DAGS = f'''\
"""Tasks that do nothing but say when they ran."""

import time

from airflow.sdk import dag, task

@task
def now(before: float | None = None) -> float:
    return time.time()

@task
def numbered(number: int) -> float:
    return time.time()

@dag(schedule=None, is_paused_upon_creation=False)
def chain() -> None:
    moment = None
    for _ in range({CHAIN}):
        moment = now(moment)

@dag(schedule=None, is_paused_upon_creation=False)
def wide() -> None:
    numbered.expand(number=list(range({WIDE})))

chain()
wide()
'''
# What the stack sets otherwise, as Airflow has it by default.
AIRFLOWS_OWN = {
    "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "1",
    "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "5",
}
# Of all processes of the container; its own cat as well, which has taken next to nothing.
CPU = "sudo docker exec flights-mlops-airflow-scheduler-1 sh -c 'cat /proc/[0-9]*/stat'"
IDLE_SECONDS = 20
TICKS = os.sysconf("SC_CLK_TCK")


def run(api: Airflow, dag: str) -> tuple[float, list[float], float]:
    """Run a DAG; return when it was triggered, when each task's code ran, and when its last task ended."""
    start = time.time()
    run_id = api.trigger(dag)
    path = f"dags/{dag}/dagRuns/{run_id}"
    until(f"the end of {dag}", lambda: api.state(dag, run_id) in {"success", "failed"}, limit=180, every=1)
    if (state := api.state(dag, run_id)) != "success":
        raise RuntimeError(f"{dag} ended as {state}")
    tasks = api.get(f"{path}/taskInstances")["task_instances"]
    return start, sorted(moment(api, path, task) for task in tasks), max(ended(task) for task in tasks)


def moment(api: Airflow, path: str, task: dict[str, Any]) -> float:
    """Return when a task's own code ran, as it said."""
    index = f"?map_index={task['map_index']}"
    said = api.get(f"{path}/taskInstances/{task['task_id']}/xcomEntries/return_value{index}")
    return float(said["value"])


def ended(task: dict[str, Any]) -> float:
    """Return when a task was done, in seconds as the clock's."""
    return datetime.fromisoformat(task["end_date"]).timestamp()


def idle_load(target: Target) -> float:
    """Return the share of one core that the scheduler takes where there is nothing to do."""
    before, start = cpu(target), time.monotonic()
    time.sleep(IDLE_SECONDS)  # what is measured is the time itself
    return (cpu(target) - before) / (time.monotonic() - start)


def cpu(target: Target) -> float:
    """Return the seconds of processor time that the scheduler has taken so far."""
    # User and system time, in ticks: the 14th and 15th field, of which the second may hold spaces (proc(5)).
    stats = [line.rpartition(")")[2].split() for line in target.machine.run(CPU).stdout.splitlines()]
    return sum(int(stat[11]) + int(stat[12]) for stat in stats) / TICKS


def figures(target: Target, api: Airflow) -> list[str]:
    """Return medians: trigger to first code, task to task, tasks a second side by side, the idle load."""
    chains = [run(api, "chain") for _ in range(REPEATS)]
    wides = [run(api, "wide") for _ in range(REPEATS)]
    first = statistics.median(ran[0] - start for start, ran, _ in chains)
    gap = statistics.median((ran[-1] - ran[0]) / (CHAIN - 1) for _, ran, _ in chains)
    rate = statistics.median(WIDE / (end - start) for start, _, end in wides)
    return [f"{first:.2f}", f"{gap:.2f}", f"{rate:.1f}", f"{idle_load(target):.0%}"]


def measure(target: Target) -> None:
    """Print what the stack's settings come to, and what Airflow's own would."""
    checkout = Checkout(target.machine.directory / "orchestration")
    checkout.write("dags/bench_tasks.py", DAGS)
    rows = []
    for name, environment in (("the stack's settings", {}), ("Airflow's own", AIRFLOWS_OWN)):
        data = ["--data", f"airflow_env={json.dumps(environment)}"] if environment else []
        target.pyinfra("deploy.py", *data, checkout=checkout.path)
        with airflow(target.machine) as api:
            for dag in ("chain", "wide"):
                api.run(dag)  # what is read for the first time is in memory then
            rows.append((name, *figures(target, api)))
            parsed = [(dag["dag_id"], f"{dag['last_parse_duration']:.2f}") for dag in api.get("dags")["dags"]]
    title = ("trigger to first task's code, s", "task to task, s", f"{WIDE} side by side, tasks a second")
    table((f"median of {REPEATS}", *title, "scheduler, idle, of one core"), rows)
    table(("the file of the DAG is parsed in", "seconds"), sorted(parsed))
