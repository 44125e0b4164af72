"""How far cloud-init is, by the files that it writes: looked at, waited for, and how it ended."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from deploy.machine import parse

from .conftest import Script

AT_WORK = {"v1": {"modules-final": {"errors": [], "finished": None}, "stage": "modules-final"}}


def write(machine: Path, name: str, content: Any) -> None:
    """Write one of cloud-init's files as it writes them."""
    (machine / "run/cloud-init").mkdir(exist_ok=True)
    (machine / "run/cloud-init" / name).write_text(json.dumps(content, indent=1) + "\n")


def test_a_machine_without_cloud_init_is_not_waited_for(run: Script) -> None:
    """Neither seen as at work, nor waited for."""
    assert parse(run("look", "1", "5", "no", "").stdout.splitlines())["cloud-init"] == ""


def test_one_that_is_switched_off_is_not_waited_for(machine: Path, run: Script) -> None:
    """Its generator says so at each boot, and nothing of it runs then."""
    write(machine, "disabled", "")
    assert parse(run("look", "1", "5", "no", "").stdout.splitlines())["cloud-init"] == ""


def test_at_work(machine: Path, run: Script) -> None:
    """It is seen, and after the time that it may take the deploy ends with what to do."""
    write(machine, "status.json", AT_WORK)
    assert parse(run("look", "1", "5", "no", "").stdout.splitlines())["cloud-init"] == "running"
    done = run("cloud_init", "2")
    assert done.returncode == 1
    assert re.search(r"Waiting for cloud-init \(modules-final\), [01] s of at most 2", done.stdout)
    assert "is still at work after 2 s; see there what it does (cloud-init status --long)" in done.stdout


@pytest.mark.parametrize(
    ("errors", "said"),
    [
        ([], "cloud-init has ended"),
        (["('scripts_user', RuntimeError('1 script'))", "two"], "two"),
    ],
)
def test_at_its_end(machine: Path, run: Script, errors: list[str], said: str) -> None:
    """It is said how it ended, and the deploy goes on."""
    write(machine, "status.json", AT_WORK)
    write(machine, "result.json", {"v1": {"datasource": "DataSourceNoCloud", "errors": errors}})
    assert parse(run("look", "1", "5", "no", "").stdout.splitlines())["cloud-init"] == ""
    done = run("cloud_init", "1")
    assert done.returncode == 0
    assert all(error in done.stdout for error in errors)
    assert ("with an error" in done.stdout) == bool(errors)
    assert said in done.stdout
