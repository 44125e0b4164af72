"""A project of one's own on a bare host: its first deploy, and what its tasks find there."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from .airflow import Airflow, airflow
from .canary import INSPECT, LOGS, singing
from .command import until
from .containers import containers, ids
from .gated import current_release
from .machine import Machine
from .test_another_project import git
from .test_refusals import matching

PROJECT = {
    "requirements.txt": "",
    "src/__init__.py": "",
    "src/greeting.py": "GREETING = 'good day'\n",
    "reports/.gitkeep": "",
    "data/reference.csv": "a,b\n",
    "dags/own.py": '''\
"""Tells what a task finds."""

import os
from datetime import timedelta
from pathlib import Path

from airflow.providers.standard.sensors.time_delta import TimeDeltaSensor
from airflow.sdk import Connection, Variable, dag, task


@dag(schedule=None, is_paused_upon_creation=False)
def own() -> None:
    @task
    def write() -> dict[str, object]:
        import src.greeting

        Path("out.txt").write_text("x")
        Path("reports/summary.html").write_text("x")
        os.makedirs("logs")
        with open("logs/app.log", "a") as log:
            log.write("x")
        Path(src.greeting.__file__).with_name("cache.txt").write_text("x")
        Path("data/result.csv").write_text("kept")
        return {
            "cwd": os.getcwd(),
            "code": src.greeting.__file__,
            "reference": Path("data/reference.csv").read_text(),
            "release": os.environ["FLIGHTS_RELEASE_DIR"],
        }

    @task
    def look() -> dict[str, object]:
        connection = Connection.get("warehouse")
        key = Path("/run/tasks/files/service.pem")
        return {
            "plain": os.environ.get("TRACKING_URI"),
            "token": len(os.environ.get("API_TOKEN", "")),
            "connection": [connection.host, len(connection.password or "")],
            "variable": Variable.get("threshold"),
            "file": len(key.read_text()) if key.exists() else None,
            "out": Path("out.txt").exists(),
            "result": Path("data/result.csv").read_text(),
        }

    @task.virtualenv(requirements=["six==1.17.0"])
    def install() -> str:
        import six

        return six.__version__

    install()
    write() >> TimeDeltaSensor(task_id="sleep", delta=timedelta(seconds=1), deferrable=True) >> look()


own()
''',
}
WAITING = '''\
"""What waits for a person, for a moment and for a file."""

from datetime import timedelta

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.providers.standard.sensors.bash import BashSensor
from airflow.providers.standard.triggers.file import FileDeleteTrigger
from airflow.sdk import DAG, Asset, AssetWatcher, AsyncCallback, DeadlineAlert, DeadlineReference

FILE = "/var/lib/flights-mlops/data/delivery.csv"
delivery = Asset("delivery", watchers=[AssetWatcher(name="file", trigger=FileDeleteTrigger(FILE, poke_interval=0.5))])
alert = DeadlineAlert(
    reference=DeadlineReference.DAGRUN_QUEUED_AT,
    interval=timedelta(seconds=1),
    callback=AsyncCallback("src.alert.late"),
)

with DAG("asking", schedule=None, is_paused_upon_creation=False):
    ApprovalOperator(task_id="ask", subject="Go on?") >> EmptyOperator(task_id="go_on")
with DAG("delivered", schedule=[delivery], is_paused_upon_creation=False):
    EmptyOperator(task_id="take")
with DAG("late", schedule=None, is_paused_upon_creation=False, deadline=alert):
    BashSensor(task_id="wait", bash_command="test -e /var/lib/flights-mlops/data/late", poke_interval=1)
'''
ALERT = """\
from pathlib import Path


async def late(context: object = None, **given: object) -> None:
    Path("/var/lib/flights-mlops/data/late").touch()
"""
BROKEN = "import nothing_of_that_name\nfrom airflow.sdk import dag\n"
CANARIES = {
    "token": "t0ken-Kn7ZpQ2xLw",
    "password": "pa55word-Vx3RtY8uMd",
    "key": "key-Hq5WcE9bNs",
    "another token": "an0ther-t0ken-Jf6TgU4iPz",
}


class Owner:
    """Somebody who deploys that project to a machine."""

    def __init__(self, machine: Machine, root: Path) -> None:
        """Write the project, and what is secret beside it."""
        self.machine, self.root = machine, root / "churn"
        self.key = root / "service.pem"
        self.key.write_text(f"-----BEGIN-----\n{CANARIES['key']}\n-----END-----\n")
        self.settings: dict[str, Any] = {
            "project_path": str(self.root),
            "triggerer": None,  # as it is by default
            "airflow_env": {},  # without a job's schedule no run begins for an asset either
            "task_env": {"TRACKING_URI": "http://mlflow.example.com/$5"},
            "task_secrets": ["API_TOKEN", "AIRFLOW_CONN_WAREHOUSE", "AIRFLOW_VAR_THRESHOLD"],
            "task_secret_files": {"service.pem": str(self.key)},
        }
        self.env = {
            "API_TOKEN": CANARIES["token"],
            "AIRFLOW_CONN_WAREHOUSE": f"postgres://jo:{CANARIES['password']}@db.example.com/dwh",
            "AIRFLOW_VAR_THRESHOLD": "0.5",
        }
        for name, text in PROJECT.items():
            (self.root / name).parent.mkdir(parents=True, exist_ok=True)
            (self.root / name).write_text(text)
        git(self.root, "init", "--quiet")
        git(self.root, "add", "--all")
        self.said = ""

    def pyinfra(self, *arguments: str, success: bool = True) -> str:
        """Run pyinfra with the settings and the environment as they are; gives what it said."""
        self.machine.write_inventory(self.machine.inventory, **self.settings)
        done = self.machine.pyinfra(*arguments, env=self.env)
        self.said += done.stdout + done.stderr
        assert (done.returncode == 0) is success, done.stdout + done.stderr
        return done.stdout + done.stderr


def outcome(said: str) -> str:
    """Return what the end of a run says of the host."""
    (found,) = [line for line in said.partition("--> Hosts:\n")[2].splitlines() if line.startswith("    own ")]
    return found.strip()


@pytest.fixture(scope="module")
def owner(
    new_machine: Callable[..., Machine], elsewhere: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Owner]:
    """Have a bare machine, and a project for it."""
    machine = new_machine("own", "bookworm", images=True)
    found = Owner(machine, tmp_path_factory.mktemp("own"))
    found.env |= elsewhere
    yield found
    machine.destroy()


@pytest.fixture(scope="module")
def api(owner: Owner) -> Iterator[Airflow]:
    """Deploy it for the first time, after a try with a DAG that cannot be imported."""
    dag = owner.root / "dags/own.py"
    dag.write_text(BROKEN)
    token = owner.env.pop("API_TOKEN")
    refused = owner.pyinfra("deploy.py", success=False)
    assert matching(refused.splitlines(), "task_secrets needs the environment variable API_TOKEN", "export it"), refused
    assert "Traceback" not in refused
    owner.env["API_TOKEN"] = token
    failed = owner.pyinfra("deploy.py", success=False)
    assert matching(failed.splitlines(), "error: the DAGs of r-", "cannot be imported", "Nothing was started."), failed
    assert "No module named 'nothing_of_that_name'" in failed
    assert containers(owner.machine).keys() == {"postgres-airflow"}
    dag.write_text(PROJECT["dags/own.py"])
    done = owner.pyinfra("deploy.py")
    assert ", 1 DAG, " in outcome(done)
    with airflow(owner.machine) as found:
        yield found


def told(api: Airflow) -> dict[str, Any]:
    """Run the DAG; gives what its two tasks have found."""
    run_id = api.run("own")
    tasks = api.get(f"dags/own/dagRuns/{run_id}/taskInstances")["task_instances"]
    logs = {
        task["task_id"]: api.get(f"dags/own/dagRuns/{run_id}/taskInstances/{task['task_id']}/logs/1")["content"][-30:]
        for task in tasks
        if task["state"] == "failed"
    }
    assert logs == {}, logs
    assert api.state("own", run_id) == "success"
    path = f"dags/own/dagRuns/{run_id}/taskInstances/{{}}/xcomEntries/return_value"
    values = {task: api.get(path.format(task))["value"] for task in ("write", "look", "install")}
    return {**values["write"], **values["look"], "six": values["install"]}


def test_a_task_writes_where_it_is(owner: Owner, api: Airflow) -> None:
    """To relative paths and beside its own code, in a directory that goes with it; what is in data/ stays."""
    found = told(api)
    release = f"/opt/flights-mlops/releases/{current_release(owner.machine)}"
    assert found["release"] == release
    assert found["code"] == f"{found['cwd']}/src/greeting.py"
    assert found["cwd"].startswith("/tmp/tasks/")  # noqa: S108 - in the container
    assert (found["reference"], found["result"], found["out"]) == (PROJECT["data/reference.csv"], "kept", False)
    scheduler = "docker exec flights-mlops-airflow-scheduler-1"
    until("the end of every task's directory", lambda: not owner.machine.sudo(f"{scheduler} ls /tmp/tasks").stdout)
    changed = owner.machine.run(f"find {release} -name out.txt -o -name cache.txt -o -name summary.html").stdout
    assert changed == ""
    assert owner.machine.sudo("cat /var/lib/flights-mlops/data/result.csv").stdout == "kept"
    assert found["six"] == "1.17.0"  # from the index of the deploy, which the host's own pip does not know


def test_a_task_has_its_variables_and_secrets(owner: Owner, api: Airflow) -> None:
    """Plain variables, secret ones, a connection, an Airflow variable and a file."""
    found = told(api)
    assert found["plain"] == "http://mlflow.example.com/$5"
    assert found["token"] == len(CANARIES["token"])
    assert found["connection"] == ["db.example.com", len(CANARIES["password"])]
    assert found["variable"] == "0.5"
    assert found["file"] == len(owner.key.read_text())


def test_nobody_else_sees_the_secrets(owner: Owner, api: Airflow) -> None:
    """Neither Docker nor logs, releases or output; other services do not have them, other users cannot read them."""
    assert api.get("version")
    machine = owner.machine
    for where in (
        INSPECT,
        LOGS,
        "cat -r /opt/flights-mlops/releases 2>/dev/null; grep -r . /opt/flights-mlops/releases",
    ):
        assert singing(machine.sudo(where, check=False).stdout, CANARIES) == set(), where
    assert singing(owner.said, CANARIES) == set()
    files = machine.sudo(
        "find /etc/flights-mlops/secrets/tasks/env /etc/flights-mlops/secrets/tasks/files -type f -printf '%m %f\\n'"
    )
    assert sorted(files.stdout.split("\n"))[1:] == [
        "440 AIRFLOW_CONN_WAREHOUSE", "440 AIRFLOW_VAR_THRESHOLD", "440 API_TOKEN", "440 service.pem",
    ]  # fmt: skip
    assert machine.run("ls /etc/flights-mlops/secrets/tasks", check=False).returncode != 0
    for service in ("webserver", "scheduler", "dag-processor", "triggerer"):
        there = machine.sudo(f"docker exec flights-mlops-airflow-{service}-1 ls /run/tasks/files", check=False)
        assert (there.returncode == 0) is (service != "webserver"), service


def test_a_second_deploy_changes_nothing(owner: Owner, api: Airflow) -> None:
    """And its last line says what there is, and how long it took."""
    assert api.get("version")
    done = owner.machine.deploy("--json", env=owner.env)
    totals = json.loads(done.stdout)["results"]["totals"]
    assert (totals["success"], totals["error"]) == (0, 0), done.stdout
    last = outcome(owner.pyinfra("deploy.py"))
    assert ", 1 DAG, nothing changed, " in last
    assert not last.endswith(" 0.0 s")


def test_a_secret_is_replaced_without_a_restart(owner: Owner, api: Airflow) -> None:
    """The next task has the new value; only the triggerer starts again, because it reads them when it starts."""
    owner.env["API_TOKEN"] = CANARIES["another token"]
    before = ids(owner.machine)
    owner.pyinfra("deploy.py")
    after = ids(owner.machine)
    assert {name for name in before if before[name] != after[name]} == {"airflow-triggerer"}
    assert told(api)["token"] == len(CANARIES["another token"])
    assert "nothing changed" in outcome(owner.pyinfra("deploy.py"))


def test_a_colleague_without_the_secrets_can_deploy(owner: Owner, api: Airflow) -> None:
    """The host's own stay."""
    given = {name: owner.env.pop(name) for name in owner.settings["task_secrets"]}
    assert "nothing changed" in outcome(owner.pyinfra("deploy.py"))
    owner.env |= given
    assert told(api)["token"] == len(CANARIES["another token"])


def test_a_secret_goes_with_its_setting(owner: Owner, api: Airflow) -> None:
    """As soon as no release on the host names it; tasks no longer have it then."""
    owner.settings |= {"task_secret_files": {}, "keep_releases": 1}
    owner.pyinfra("deploy.py")
    directory = "/etc/flights-mlops/secrets/tasks/files"
    assert owner.machine.sudo(f"ls {directory}").stdout == "service.pem\n"  # the release before may be rolled back to
    (owner.root / "dags/more.py").write_text("# Of the next release.\n")
    git(owner.root, "add", "--all")
    owner.pyinfra("deploy.py")
    assert owner.machine.sudo(f"ls {directory}").stdout == ""
    assert told(api)["file"] is None


def test_what_waits_goes_on(owner: Owner, api: Airflow) -> None:
    """For a person's answer, for the file of a watched asset, and for a deadline, whose callback ends the wait."""
    (owner.root / "dags/waiting.py").write_text(WAITING)
    (owner.root / "src/alert.py").write_text(ALERT)
    git(owner.root, "add", "--all")
    assert ", 4 DAGs, " in outcome(owner.pyinfra("deploy.py"))
    for dag in ("asking", "delivered", "late"):
        api.wait_for_dag(dag)

    asking = api.trigger("asking")
    asked = f"/api/v2/dags/asking/dagRuns/{asking}/taskInstances/ask/-1/hitlDetails"
    until("the question", lambda: api.request("GET", asked).raise_for_status() is None, limit=120)
    api.request("PATCH", asked, json={"chosen_options": ["Approve"], "params_input": {}}).raise_for_status()
    assert api.wait_for_end("asking", asking, limit=120) == "success"

    owner.machine.sudo("docker exec flights-mlops-airflow-scheduler-1 touch /var/lib/flights-mlops/data/delivery.csv")
    until("a run for the delivery", lambda: api.get("dags/delivered/dagRuns")["dag_runs"], limit=120)

    assert api.wait_for_end("late", api.trigger("late"), limit=180) == "success"


def test_without_a_triggerer_the_deploy_says_what_would_wait(owner: Owner, api: Airflow) -> None:
    """By task and DAG, and how to have one."""
    assert api.get("version")
    owner.settings["triggerer"] = False
    owner.pyinfra("deploy.release.upload")
    said = owner.pyinfra("deploy.stack.check")
    assert matching(said.splitlines(), "warning: the task sleep in the DAG own would wait for a triggerer"), said
    owner.settings["triggerer"] = None


def test_import_errors_are_counted(owner: Owner, api: Airflow) -> None:
    """Of a DAG that Airflow itself cannot import, though the deploy could: at the end, and in the status."""
    (owner.root / "dags/more.py").write_text(
        "import os\nfrom airflow.sdk import DAG\nif 'AIRFLOW_HOME' in os.environ and os.getppid() != 0:\n"
        "    import sys\n    if 'check-dags' not in ' '.join(sys.argv):\n        raise RuntimeError('not here')\n"
    )
    owner.pyinfra("deploy.py")
    until("the import error", lambda: api.get("importErrors")["import_errors"], limit=120)
    said = owner.pyinfra("deploy.status.show")
    assert "4 DAGs, 1 import error; the errors: docker exec" in said
    assert "4 DAGs, 1 import error" in outcome(said)
