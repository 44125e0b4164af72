"""Somebody deploys a project of their own, which has nothing of this repository, with `project_path`."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from .airflow import Airflow, airflow
from .command import ROOT, run
from .containers import health
from .gated import current_release
from .machine import Machine
from .test_refusals import matching
from .test_rollback import back

# Airflow has a later one, which does not go with it.
CONFLICTING = "24.2"
# Goes with Airflow by its name, and not by what it needs itself.
NEEDS_A_CONFLICTING_ONE = "mlflow-skinny==2.9.2"
# The file of that version is another.
OF_ANOTHER_FILE = f"inflect==7.5.0 --hash=sha256:{'0' * 64}"
PROJECT = {
    # For an image of its own, which has the code from elsewhere.
    ".dockerignore": "*\n",
    "requirements.txt": f"packaging=={CONFLICTING}\n",
    "sql/greeting.sql": "select 'good day'\n",
    "src/__init__.py": "",
    "src/version.py": """\
import sys


def found() -> dict[str, str]:
    import packaging

    with open("sql/greeting.sql") as relative:
        return {"python": sys.prefix, "packaging": packaging.__version__, "sql": relative.read()}
""",
    "dags/another.py": '''\
"""The same function in the one environment and in the other."""

import importlib.util

from airflow.sdk import dag, task

from src.version import found


@dag(schedule=None, is_paused_upon_creation=False)
def another() -> None:
    @task
    def beside_airflow() -> dict[str, object]:
        return {**found(), "polars": bool(importlib.util.find_spec("polars"))}

    @task.external_python(python="/opt/project/bin/python", expect_airflow=False)
    def in_its_own(given: dict[str, object]) -> dict[str, object]:
        from importlib.metadata import distributions

        from src.version import found

        names = sorted(installed.name for installed in distributions())
        return {**found(), "installed": names, "given": given["python"]}

    in_its_own(beside_airflow())


another()
''',
}


def git(project: Path, *arguments: str) -> None:
    """Run git in a project, under a name."""
    who = ("-c", "user.name=Jo", "-c", "user.email=jo@localhost")
    run(["git", "-C", project, *who, *arguments])


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a project of one's own: a git repository with code, DAGs and requirements."""
    root = tmp_path_factory.mktemp("another") / "churn"
    for name, text in PROJECT.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    git(root, "init", "--quiet")
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", "Say good day")
    return root


def chosen(project: Path, environment: str = "separate") -> tuple[str, ...]:
    """Return what names the project on the command line."""
    return ("--data", f"project_path={project}", "--data", f"project_environment={environment}")


@pytest.fixture(scope="module")
def api(machine: Machine, project: Path) -> Iterator[Airflow]:
    """Deploy the project in the place of the flights; they are back after the tests."""
    before = current_release(machine)
    machine.deploy(*chosen(project))
    with airflow(machine) as found:
        yield found
    back(machine)
    assert current_release(machine) == before
    assert set(health(machine).values()) == {"healthy"}


def test_its_dag_runs(api: Airflow) -> None:
    """With its own code and files; one task beside Airflow, one in the environment of the project."""
    run_id = api.run("another")
    assert api.state("another", run_id) == "success"
    told = f"dags/another/dagRuns/{run_id}/taskInstances/{{}}/xcomEntries/return_value"
    beside = api.get(told.format("beside_airflow"))["value"]
    own = api.get(told.format("in_its_own"))["value"]
    assert beside["python"] == own["given"] == "/opt/venv"
    assert own["python"] == "/opt/project"
    assert own["packaging"] == CONFLICTING
    assert f"\npackaging=={beside['packaging']} " in (ROOT / "requirements/airflow.txt").read_text()
    assert beside["sql"] == own["sql"] == PROJECT["sql/greeting.sql"]
    assert (beside["polars"], own["installed"]) == (False, ["packaging"])


def test_it_is_the_only_project(machine: Machine, api: Airflow) -> None:
    """The DAGs of the flights are gone, and with the release nothing of this repository's code came."""
    api.wait_for_release(current_release(machine))
    assert [dag["dag_id"] for dag in api.get("dags")["dags"]] == ["another"]
    there = machine.run("cd /opt/flights-mlops/current && find . -type f -printf '%P\\n'").stdout.splitlines()
    assert {name for name in there if not name.startswith("airflow/")} == PROJECT.keys()


def test_a_second_deploy_of_it_changes_nothing(machine: Machine, api: Airflow, project: Path) -> None:
    """As with the flights; and the history says which commit of the project it was."""
    done = machine.deploy("--json", *chosen(project))
    totals = json.loads(done.stdout)["results"]["totals"]
    assert (totals["success"], totals["error"]) == (0, 0), done.stdout
    assert api.get("importErrors")["import_errors"] == []
    history = machine.pyinfra("deploy.status.history", *chosen(project))
    assert re.search(rf"{current_release(machine)}.*Say good day", history.stdout + history.stderr)


def test_a_conflict_is_refused_before_anything_is_changed(machine: Machine, api: Airflow, project: Path) -> None:
    """The line names the file, both versions and the way out."""
    before = current_release(machine)
    done = machine.pyinfra("deploy.py", *chosen(project, "shared"))
    assert done.returncode != 0
    said = (done.stdout + done.stderr).partition("--> Hosts:")[0].splitlines()
    words = (f"{project}/requirements.txt, line 1", CONFLICTING, "set project_environment to separate")
    assert len(matching(said, *words)) == 1, said
    assert api.get("version")
    assert current_release(machine) == before


def test_a_conflict_further_down_is_refused_by_the_build(machine: Machine, api: Airflow, project: Path) -> None:
    """One sentence says so, of no other failure; what goes with Airflow is installed beside it."""
    before = current_release(machine)
    reasons = {
        NEEDS_A_CONFLICTING_ONE: "set project_environment to separate",
        OF_ANOTHER_FILE: "could not be built",
        "inflect": "",
    }
    try:
        for requirement, reason in reasons.items():
            (project / "requirements.txt").write_text(f"{requirement}\n")
            for step in ("deploy.release.upload", "deploy.images.build"):
                done = machine.pyinfra(step, *chosen(project, "shared"))
                said = done.stdout + done.stderr
                assert (done.returncode == 0) == (not reason or step == "deploy.release.upload"), said
            for sentence in {*reasons.values()} - {""}:
                assert len(matching(said.splitlines(), "error: ", sentence)) == (sentence == reason), said
            assert "traceback" not in said.lower()
        image = re.findall(r"flights-mlops-airflow:i-\w+", said)[-1]
        machine.sudo(f"docker run --rm --network none {image} python -c 'import airflow, inflect'")
    finally:
        git(project, "checkout", "--quiet", "requirements.txt")
    assert api.get("version")
    assert current_release(machine) == before
