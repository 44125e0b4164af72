"""Somebody deploys a project of their own, which has nothing of this repository, with `project_path`."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from .airflow import Airflow, airflow
from .caches import Caches
from .command import ROOT, Finished, run, until
from .containers import health
from .gated import DATA, current_release
from .machine import Machine
from .test_refusals import matching
from .test_rollback import back

# Airflow has a later one, which does not go with it.
CONFLICTING = "24.2"
# Goes with Airflow by its name, and not by what it needs itself.
NEEDS_A_CONFLICTING_ONE = "mlflow-skinny==2.9.2"
# Has no wheel for the image's Python, and takes a compiler.
WITHOUT_A_WHEEL = "pandas==1.3.5"
# The file of that version is another.
OF_ANOTHER_FILE = f"inflect==7.5.0 --hash=sha256:{'0' * 64}"
PROJECT = {
    # For an image of its own, which has the code from elsewhere.
    ".dockerignore": "*\n",
    "requirements.txt": "# What the code imports.\n-r requirements/base.txt\n",
    "requirements/base.txt": f"packaging=={CONFLICTING}\n",
    "sql/greeting.sql": "select 'good day'\n",
    "docs/[a-b] 12:30 \\ Übersicht (2).md": "# Odd\n",
    "airflow/webserver_config.py": "raise ValueError\n",
    "src/shared/layout.py": 'WHERE = "src"\n',
    "src/__init__.py": "",
    "src/version.py": """\
import sys


def found() -> dict[str, str]:
    import packaging

    with open("sql/greeting.sql") as relative:
        return {"python": sys.prefix, "packaging": packaging.__version__, "sql": relative.read()}
""",
    "airflow/dags/kept.py": '''\
"""A run that is not done when the layout changes; between its tries no task runs."""

import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

from airflow.sdk import dag, task

from shared.layout import WHERE


@dag(schedule=None, is_paused_upon_creation=False)
def kept() -> None:
    @task(retries=500, retry_delay=timedelta(seconds=3))
    def wait(run_id: str | None = None) -> None:
        if not Path(os.environ["FLIGHTS_DATA_DIR"], f"gate-{run_id}").exists():
            raise RuntimeError("not yet")

    @task
    def tell() -> list[str]:
        code = "from shared.layout import WHERE; print(WHERE)"
        by_a_subprocess = subprocess.check_output([sys.executable, "-c", code], text=True).strip()
        return [WHERE, by_a_subprocess, Path(__file__).parent.name]

    wait() >> tell()


kept()
''',
    "airflow/dags/another.py": '''\
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

    @task.bash
    def by_a_package_of_debian() -> str:
        return "hello"

    in_its_own(beside_airflow())
    by_a_package_of_debian()


another()
''',
}

PYPROJECT = f"""\
[project]
name = "churn"
version = "1.0"
requires-python = ">=3.11"
dependencies = ["packaging=={CONFLICTING}"]
"""


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


# Of settings that are lists, and so in an inventory.
LAYOUT = {"dags_path": "airflow/dags", "python_path": ["src"], "image_packages": ["hello"]}


def pyinfra(
    machine: Machine, project: Path, *arguments: str, environment: str = "separate", **layout: object
) -> Finished:
    """Type `pyinfra -y INVENTORY …` with an inventory that names the project, with its layout or another."""
    inventory = machine.write_inventory(
        machine.directory / "another.py",
        project_path=str(project),
        project_environment=environment,
        keep_releases=50,  # the flights' among them, to which the tests go back
        **LAYOUT | layout,
    )
    return machine.pyinfra(*arguments, inventory=inventory)


@pytest.fixture(scope="module")
def deployed(machine: Machine, project: Path) -> Iterator[str]:
    """Deploy the project in the place of the flights, which are back after the tests; gives what was said."""
    before = current_release(machine)
    done = pyinfra(machine, project, "deploy.py")
    assert done.returncode == 0, done.stdout + done.stderr
    yield done.stdout + done.stderr
    back(machine, f"release={before}")
    assert current_release(machine) == before
    assert set(health(machine).values()) == {"healthy"}


@pytest.fixture(scope="module")
def api(machine: Machine, deployed: str) -> Iterator[Airflow]:
    """Reach the stack with the project."""
    assert deployed
    with airflow(machine) as found:
        yield found


def test_what_is_left_out_is_said(deployed: str) -> None:
    """Once, by the deploy that uploads it; the DAGs in it are kept."""
    note = "Left out the project's airflow/ (1 file), where the stack has its own; only airflow/dags is kept"
    assert len(matching(deployed.splitlines(), note)) == 1, deployed


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
    assert api.get(told.format("by_a_package_of_debian"))["value"] == "Hello, world!"


def test_it_is_the_only_project(machine: Machine, api: Airflow) -> None:
    """The DAGs of the flights are gone, and with the release nothing of this repository's code came."""
    api.wait_for_release(current_release(machine))
    assert sorted(dag["dag_id"] for dag in api.get("dags")["dags"]) == ["another", "kept"]
    find = "cd /opt/flights-mlops/current && find . ./airflow/dags -path ./airflow -prune -o -type f -print"
    there = {name.removeprefix("./") for name in machine.run(find).stdout.splitlines()}
    assert there == PROJECT.keys() - {"airflow/webserver_config.py"}


def test_a_second_deploy_of_it_changes_nothing(machine: Machine, api: Airflow, project: Path) -> None:
    """As with the flights; and the history says which commit of the project it was."""
    done = pyinfra(machine, project, "deploy.py", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    totals = json.loads(done.stdout)["results"]["totals"]
    assert (totals["success"], totals["error"]) == (0, 0), done.stdout
    assert api.get("importErrors")["import_errors"] == []
    history = pyinfra(machine, project, "deploy.status.history")
    assert re.search(rf"{current_release(machine)}.*Say good day", history.stdout + history.stderr)


def test_a_conflict_is_refused_before_anything_is_changed(machine: Machine, api: Airflow, project: Path) -> None:
    """The line names the file, both versions and the way out."""
    before = current_release(machine)
    done = pyinfra(machine, project, "deploy.py", environment="shared")
    assert done.returncode != 0
    said = (done.stdout + done.stderr).partition("--> Hosts:")[0].splitlines()
    words = (f"{project}/requirements/base.txt, line 1", CONFLICTING, "set project_environment to separate")
    assert len(matching(said, *words)) == 1, said
    assert api.get("version")
    assert current_release(machine) == before


def test_a_conflict_further_down_is_refused_by_the_build(machine: Machine, api: Airflow, project: Path) -> None:
    """One sentence says so, of no other failure; what goes with Airflow is installed beside it."""
    before = current_release(machine)
    reasons = {
        NEEDS_A_CONFLICTING_ONE: "set project_environment to separate",
        WITHOUT_A_WHEEL: "pandas 1.3.5 has no wheel for Python 3.13; the nearest version that has one is 2.",
        OF_ANOTHER_FILE: "could not be built",
        "inflect": "",
    }
    try:
        for requirement, reason in reasons.items():
            (project / "requirements.txt").write_text(f"{requirement}\n")
            for step in ("deploy.release.upload", "deploy.images.build"):
                done = pyinfra(machine, project, step, environment="shared")
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


def test_a_run_keeps_its_layout(machine: Machine, api: Airflow, project: Path, package_caches: Caches) -> None:
    """The next release has DAGs and code elsewhere, and its requirements from uv.lock; later runs are on that."""
    run_id = api.trigger("kept")
    told = "dags/kept/dagRuns/{}/taskInstances/{}"
    until("a try", lambda: api.get(told.format(run_id, "wait"))["state"] == "up_for_retry", limit=300)

    git(project, "mv", "airflow/dags", "flows")
    git(project, "mv", "src/shared", "lib")
    (project / "lib/shared").mkdir()
    git(project, "mv", "lib/layout.py", "lib/shared/layout.py")
    (project / "lib/shared/layout.py").write_text('WHERE = "lib"\n')
    git(project, "rm", "--quiet", "requirements.txt")
    (project / "pyproject.toml").write_text(PYPROJECT)
    run([ROOT / ".venv/bin/uv", "lock", "--project", project], env={"UV_DEFAULT_INDEX": package_caches.python})
    git(project, "add", "--all")
    done = pyinfra(machine, project, "deploy.py", dags_path="flows", python_path=["lib"])
    assert done.returncode == 0, done.stdout + done.stderr

    api.wait_for_release(current_release(machine))
    machine.sudo(f"touch {DATA}/gate-{run_id}")
    assert api.wait_for_end("kept", run_id) == "success"
    value = f"{told.format(run_id, 'tell')}/xcomEntries/return_value"
    assert api.get(value)["value"] == ["src", "src", "dags"]

    later = api.trigger("kept")
    machine.sudo(f"touch {DATA}/gate-{later}")
    assert api.wait_for_end("kept", later) == "success"
    assert api.get(value.replace(run_id, later))["value"] == ["lib", "lib", "flows"]
    another = api.run("another")
    assert api.state("another", another) == "success"


def test_a_lock_that_is_older_than_the_project_is_refused(machine: Machine, api: Airflow, project: Path) -> None:
    """Before anything is changed, like files that git LFS has not fetched."""
    before = current_release(machine)
    try:
        (project / "pyproject.toml").write_text(PYPROJECT.replace(CONFLICTING, "25.0"))
        (project / "model.bin").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
        git(project, "add", "model.bin")
        done = pyinfra(machine, project, "deploy.py", dags_path="flows", python_path=["lib"])
    finally:
        (project / "pyproject.toml").write_text(PYPROJECT)
        git(project, "rm", "--quiet", "--force", "model.bin")
    assert done.returncode != 0
    said = (done.stdout + done.stderr).partition("--> Hosts:")[0].splitlines()
    assert len(matching(said, f"{project}/uv.lock does not match pyproject.toml (packaging); run uv lock.")) == 1, said
    assert len(matching(said, f"{project}/model.bin is a git LFS pointer", "git lfs pull")) == 1, said
    assert api.get("version")
    assert current_release(machine) == before
