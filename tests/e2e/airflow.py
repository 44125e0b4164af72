"""The stack's API, as any HTTP client uses it."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import requests

from .command import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .host import Host

PASSWORD_FILE = "/etc/flights-mlops/secrets/admin_password"  # noqa: S105 - where it is, not what it is


class Airflow:
    """One stack's API, logged in as `airflow`."""

    def __init__(self, url: str, password: str) -> None:
        """Remember where it is; logging in is a step of its own."""
        self.url, self.password = url, password
        self.session = requests.Session()

    def request(self, method: str, path: str, **options: Any) -> requests.Response:
        """Ask the API for something."""
        return self.session.request(method, f"{self.url}{path}", timeout=30, **options)

    def log_in(self, password: str | None = None) -> int:
        """Log in with the deployed password or another one; gives the status code."""
        self.session.headers.pop("Authorization", None)
        login = {"username": "airflow", "password": password or self.password}
        answer = self.request("POST", "/auth/token", json=login)
        if answer.status_code == requests.codes.created:
            self.session.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        return answer.status_code

    def get(self, path: str) -> Any:
        """Return what is at a path of the API."""
        answer = self.request("GET", f"/api/v2/{path}")
        answer.raise_for_status()
        return answer.json()

    def wait_for_dag(self, dag: str, *, limit: float = 300) -> None:
        """Wait until Airflow has found a DAG."""
        until(f"the DAG {dag}", lambda: self.get(f"dags/{dag}"), limit=limit)

    def wait_for_release(self, release: str, *, limit: float = 300) -> None:
        """Wait until the next run of every DAG will be one of a release."""
        until(
            f"the DAGs of {release}",
            lambda: {found["bundle_version"] for found in self.get("dags")["dags"]} == {release},
            limit=limit,
        )

    def trigger(self, dag: str) -> str:
        """Have a DAG run; gives the run's id."""
        answer = self.request("POST", f"/api/v2/dags/{dag}/dagRuns", json={"logical_date": None})
        answer.raise_for_status()
        return str(answer.json()["dag_run_id"])

    def wait_for_end(self, dag: str, run_id: str, *, limit: float = 600) -> str:
        """Wait until a run has ended, well or not; gives what became of it."""
        until(
            f"the end of {dag} {run_id}",
            lambda: self.state(dag, run_id) in {"success", "failed"},
            limit=limit,
        )
        return self.state(dag, run_id)

    def run(self, dag: str, *, limit: float = 600) -> str:
        """Trigger a DAG and wait until its run has ended, well or not; gives the run's id."""
        self.wait_for_dag(dag, limit=limit)
        run_id = self.trigger(dag)
        self.wait_for_end(dag, run_id, limit=limit)
        return run_id

    def state(self, dag: str, run_id: str) -> str:
        """Return what became of a run."""
        return str(self.get(f"dags/{dag}/dagRuns/{run_id}")["state"])


@contextmanager
def airflow(host: Host, ui_port: int = 8080, *, limit: float = 60) -> Iterator[Airflow]:
    """Reach a host's stack from here, logged in with the login that was deployed."""
    password = host.fetch(PASSWORD_FILE).decode()
    with host.tunnel(ui_port) as (address, port):
        found = Airflow(f"http://{address}:{port}", password)
        until("the login", lambda: found.log_in() == requests.codes.created, limit=limit)
        yield found
