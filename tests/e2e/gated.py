"""A DAG whose first task waits for the test: what happens meanwhile is no matter of luck or seconds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from .airflow import Airflow
from .checkout import Checkout
from .command import until
from .host import Host

DATA = "/var/lib/flights-mlops/data"
# What the tasks tell, they find out when they run, the first of them after it waited.
DAG = '''\
"""The first task waits for a file, and then both tell by whose code they run."""

import subprocess
import sys
import time

from airflow.sdk import dag, task

from src.shared.utils import data_dir

EDITION = "{edition}"


def editions() -> dict[str, str]:
    from src.edition import EDITION as of_src

    by_a_subprocess = [sys.executable, "-c", "from src.edition import EDITION; print(EDITION)"]
    with open("src/edition.txt") as relative:
        return {{
            "dag": EDITION,
            "src": of_src,
            "relative path": relative.read(),
            "subprocess": subprocess.check_output(by_a_subprocess, text=True).strip(),
        }}


@dag(schedule=None, is_paused_upon_creation=False)
def gated() -> None:
    @task
    def wait(run_id: str | None = None) -> dict[str, str]:
        with (data_dir() / f"begun-{{run_id}}").open("a") as begun:
            begun.write("once more\\n")
        while not (data_dir() / f"gate-{{run_id}}").exists():
            time.sleep(0.2)
        return editions()

    @task
    def follow() -> dict[str, str]:
        return editions()

    wait() >> follow()


gated()
'''


def edit_dag(checkout: Checkout, edition: str) -> None:
    """Have the DAG's file say another edition."""
    checkout.write("dags/gated.py", DAG.format(edition=edition))


def edit_src(checkout: Checkout, edition: str) -> None:
    """Have the project's code and data say another edition."""
    checkout.write("src/edition.py", f'EDITION = "{edition}"\n')
    checkout.write("src/edition.txt", edition)


def edit(checkout: Checkout, edition: str) -> None:
    """Have the whole project say another edition."""
    edit_dag(checkout, edition)
    edit_src(checkout, edition)


def all_of(edition: str) -> dict[str, str]:
    """Return what a task tells that has one edition's code and files, and nothing of another's."""
    return dict.fromkeys(("dag", "src", "relative path", "subprocess"), edition)


def current_release(host: Host) -> str:
    """Return the release that a host's `current` points to."""
    return host.run("basename $(readlink /opt/flights-mlops/current)").stdout.strip()


@dataclass(frozen=True)
class GatedRun:
    """One run of the DAG."""

    host: Host
    api: Airflow
    id: str

    def open_gate(self) -> None:
        """Let the first task go on."""
        self.host.sudo(f"touch {DATA}/gate-{self.id}")

    def wait_until_begun(self) -> None:
        """Wait until the first task is at its gate."""
        until(f"the start of {self.id}", lambda: self.times_begun() > 0 and self.task("wait"), limit=300)
        assert self.task("wait")["state"] == "running"

    def times_begun(self) -> int:
        """Return how many times the first task was started."""
        return len(self.host.sudo(f"cat {DATA}/begun-{self.id}").stdout.splitlines())

    def wait_for_end(self) -> str:
        """Wait until the run has ended; gives what became of it."""
        return self.api.wait_for_end("gated", self.id)

    def bundle_version(self) -> str:
        """Return the release that Airflow says the run belongs to."""
        return str(self.api.get(f"dags/gated/dagRuns/{self.id}")["bundle_version"])

    def task(self, name: str) -> Any:
        """Return what Airflow knows of a task of the run."""
        return self.api.get(f"dags/gated/dagRuns/{self.id}/taskInstances/{name}")

    def told(self, name: str) -> Any:
        """Return by which editions a task ran."""
        return self.api.get(f"dags/gated/dagRuns/{self.id}/taskInstances/{name}/xcomEntries/return_value")["value"]

    def outcome(self, name: str) -> tuple[str, int]:
        """Return what became of a task, and of which try."""
        found = self.task(name)
        return found["state"], found["try_number"]


@contextmanager
def gated_run(host: Host, api: Airflow) -> Iterator[GatedRun]:
    """Start a run on the current release, and wait until its first task is at the gate.

    Whatever comes of the test, the gate is open after it: later deploys would wait for the task.
    """
    api.wait_for_release(current_release(host))
    run = GatedRun(host, api, api.trigger("gated"))
    try:
        run.wait_until_begun()
        yield run
    finally:
        run.open_gate()
