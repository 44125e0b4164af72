"""The bundle as Airflow loads it: which release a process is in, with real releases and real processes."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.core.paths import ROOT
from deploy.release.rendering import Placement, render
from deploy.settings import Settings

Ask = Callable[[str], Any]
FOLDER = ROOT / "files/images"

# What a process finds where it looks for the project.
WHERE = """
import os, subprocess, sys
def where():
    import src
    loaded = src.RELEASE
    code = "import src; print(src.RELEASE, open('src/__init__.py').read().split()[-1])"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    return {"path": sys.path[0], "cwd": os.getcwd(), "PYTHONPATH": os.environ["PYTHONPATH"],
            "src": loaded, "file": open("src/__init__.py").read().split()[-1], "subprocess": told.split(),
            "others": [path for path in sys.path[1:] if "/releases/" in path]}
"""


def inside(root: Path, release: str) -> dict[str, Any]:
    """Return what a process finds that is in a release."""
    path = str(root / "releases" / release)
    read = {"src": release, "file": repr(release), "subprocess": [release, repr(release)]}
    return {"path": path, "cwd": path, "PYTHONPATH": path, "others": []} | read


@pytest.fixture(scope="module")
def airflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator["subprocess.Popen[str]"]:
    """Have a process with Airflow, configured as the compose file has it."""
    rendered = {
        file.path: file.content for file in render(Settings(), Placement(1, "python:3", "postgres:13", 4096), "x")
    }
    services = yaml.safe_load(rendered["airflow/docker-compose.yaml"])["services"]
    bundles = "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST"
    env = {key: value for key, value in os.environ.items() if not key.startswith(("AIRFLOW", "PYTHON"))}
    env |= {
        "AIRFLOW_HOME": str(tmp_path_factory.mktemp("airflow")),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "false",
        bundles: services["airflow-dag-processor"]["environment"][bundles],
        "PYTHONPATH": str(FOLDER),
    }
    with subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("with_airflow.py"))],
        env=env,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield process


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return the project root of a host with r-000000000001, the current release, and r-000000000002."""
    root = tmp_path / "flights-mlops"
    for release in ("r-000000000001", "r-000000000002"):
        for name in ("dags", "src"):
            (root / "releases" / release / name).mkdir(parents=True)
        (root / "releases" / release / "src/__init__.py").write_text(f"RELEASE = {release!r}\n")
    (root / "current").symlink_to("releases/r-000000000001")
    return root


@pytest.fixture
def ask(airflow: "subprocess.Popen[str]", project: Path) -> Ask:
    """Return a function that runs code in a process of its own, which has asked for no bundle yet."""

    def ask(code: str) -> Any:
        assert airflow.stdin
        assert airflow.stdout
        print(json.dumps([str(project), str(project.parent), WHERE + code]), file=airflow.stdin, flush=True)
        while not (line := airflow.stdout.readline()).startswith(("{", "[")):
            assert line, "the process with Airflow has ended"
        return json.loads(line)

    return ask


SWITCH = """
def switch(release):
    (root / "new").symlink_to(f"releases/{release}")
    (root / "new").rename(root / "current")
def state(bundle):
    return [str(bundle.path), bundle.get_current_version().version]
"""


def test_without_a_version_it_is_the_current_release(ask: Ask, project: Path) -> None:
    """By its own name, not by that of the link, and in that release's directory."""
    found = ask(
        SWITCH + "bundle = manager.get_bundle('release'); bundle.initialize()\n"
        "answer = {'state': state(bundle), 'where': where(), 'versioned': bundle.supports_versioning}"
    )
    assert found["state"] == [str(project / "releases/r-000000000001/dags"), "r-000000000001"], found
    assert found["versioned"] is True
    assert found["where"] == inside(project, "r-000000000001")


def test_a_refresh_sees_the_switch(ask: Ask, project: Path) -> None:
    """And until then all stays as it was: a file is never read from one release for the other's version."""
    found = ask(
        SWITCH + "bundle = manager.get_bundle('release'); bundle.initialize()\n"
        "answer = [state(bundle)]\n"
        "switch('r-000000000002'); answer.append(state(bundle))\n"
        "bundle.refresh(); answer.append(state(bundle)); answer.append(where())\n"
        "switch('r-000000000001'); bundle.refresh(); answer.append(state(bundle)); answer.append(sys.path[0])"
    )
    names = ("r-000000000001", "r-000000000002")
    first, second = ([str(project / f"releases/{name}/dags"), name] for name in names)
    assert found[:3] == [first, first, second]
    assert found[3] == inside(project, "r-000000000002")
    assert found[4:] == [first, str(project / "releases/r-000000000001")]


def test_a_task_runs_in_the_release_its_run_began_with(ask: Ask, project: Path) -> None:
    """Its DAG, `src`, relative paths and subprocesses, whatever is current; nothing of another is found."""
    found = ask(
        SWITCH + "sys.path.insert(0, str(root / 'releases/r-000000000001'))\n"
        "os.environ['PYTHONPATH'] = '/app'\n"
        "bundle = manager.get_bundle('release', version='r-000000000002'); bundle.initialize()\n"
        "answer = {'state': state(bundle), 'where': where()}"
    )
    assert found["state"] == [str(project / "releases/r-000000000002/dags"), "r-000000000002"], found
    assert found["where"] == inside(project, "r-000000000002")


def test_a_task_finds_what_is_not_of_a_release_where_it_was(ask: Ask) -> None:
    """Airflow and the libraries stay on the path, in their order."""
    before, after = ask(
        "answer = [list(sys.path)]\n"
        "manager.get_bundle('release', version='r-000000000002').initialize(); answer.append(sys.path)"
    )
    assert after[1:] == before
    assert before


def test_who_follows_the_current_release_is_not_taken_into_an_old_one(ask: Ask, project: Path) -> None:
    """The DAG processor asks for one to run a callback with, and goes on parsing the current one."""
    found = ask(
        SWITCH + "bundle = manager.get_bundle('release'); bundle.initialize()\n"
        "old = manager.get_bundle('release', version='r-000000000002'); old.initialize()\n"
        "answer = {'old': state(old), 'own': state(bundle), 'where': where()}"
    )
    assert found["old"] == [str(project / "releases/r-000000000002/dags"), "r-000000000002"], found
    assert found["own"] == [str(project / "releases/r-000000000001/dags"), "r-000000000001"]
    assert found["where"] == inside(project, "r-000000000001")


def test_a_release_that_was_removed_is_named(ask: Ask) -> None:
    """In a sentence with the way out, which lands in the task's log; the process stays where it was."""
    found = ask("manager.get_bundle('release', version='r-000000000000').initialize()")
    assert found["error"] == (
        "FileNotFoundError: The release r-000000000000 is not on this host any more; "
        "clear the run with its latest version."
    )
    stays = ask(
        "before = [list(sys.path), os.getcwd()]\n"
        "try:\n"
        "    manager.get_bundle('release', version='r-000000000000').initialize()\n"
        "except FileNotFoundError:\n"
        "    answer = [before == [sys.path, os.getcwd()]]"
    )
    assert stays == [True]


def test_a_host_without_a_current_release_is_an_error(ask: Ask, project: Path) -> None:
    """Not a bundle of nothing, whose DAGs would all be taken for deleted."""
    (project / "current").unlink()
    assert ask("manager.get_bundle('release').initialize()")["error"].startswith("FileNotFoundError:")
    (project / "current").symlink_to("releases/r-000000000009")
    assert ask("manager.get_bundle('release').initialize()")["error"].startswith("FileNotFoundError:")


CHECK = FOLDER / "check-dags"
GOOD = """
from pathlib import Path
from airflow.sdk import DAG
from src import RELEASE
with DAG(RELEASE + "-" + Path("params.yaml").read_text()):
    pass
"""


def check(release: Path, home: Path) -> "subprocess.CompletedProcess[str]":
    """Run the check of a release's DAGs as the image runs it, from anywhere."""
    env = {key: value for key, value in os.environ.items() if not key.startswith(("AIRFLOW", "PYTHON"))}
    env |= {"AIRFLOW_HOME": str(home), "AIRFLOW__CORE__LOAD_EXAMPLES": "false"}
    command = [sys.executable, str(CHECK), str(release)]
    return subprocess.run(command, env=env, cwd="/", capture_output=True, text=True, check=False, timeout=120)


def test_dags_that_can_be_imported_pass(project: Path, tmp_path: Path) -> None:
    """With the release's own `src`, and its own files by relative paths."""
    release = project / "releases/r-000000000002"
    (release / "dags/good.py").write_text(GOOD)
    (release / "params.yaml").write_text("x")
    done = check(release, tmp_path / "home")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == "1 DAGs can be imported"


def test_a_dag_that_cannot_be_imported_is_named_with_its_reason(project: Path, tmp_path: Path) -> None:
    """Each file that is wrong, once, and no other; the check fails."""
    release = project / "releases/r-000000000002"
    (release / "params.yaml").write_text("x")
    (release / "dags/good.py").write_text(GOOD)
    (release / "dags/absent.py").write_text("import nothing_of_that_name\nDAG = 'airflow'\n")
    (release / "dags/more").mkdir()
    (release / "dags/more/broken.py").write_text("from airflow.sdk import DAG\nDAG(\n")
    done = check(release, tmp_path / "home")
    assert done.returncode == 1
    named = sorted(line for line in done.stdout.splitlines() if line.startswith("--- "))
    assert named == ["--- dags/absent.py", "--- dags/more/broken.py"]
    assert "No module named 'nothing_of_that_name'" in done.stdout
    assert "SyntaxError" in done.stdout
    assert done.stdout.count("nothing_of_that_name'") == 1
    assert done.stderr == ""
