"""What has to be started is decided by what the host shows, not by what a run has changed."""  # noqa: INP001 - a package of the name `deploy` would hide the real one

import re
from dataclasses import replace

import pytest

from deploy import script
from deploy.machine import Container, Machine
from deploy.settings import Settings, limits
from deploy.stack import out_of_date

WELL = Machine(
    values={"current": "r-2", "POSTGRES_IMAGE": "postgres:13"},
    images={
        "flights-mlops-airflow:i-1": "sha256:old",
        "flights-mlops-airflow:i-2": "sha256:new",
        "postgres:13": "sha256:postgres",
    },
    releases={"r-1": "flights-mlops-airflow:i-1", "r-2": "flights-mlops-airflow:i-2"},
    wanted={"airflow-scheduler": "h1", "airflow-webserver": "h2", "postgres-airflow": "h3"},
    found={
        "airflow-scheduler": Container("h1", "sha256:new", "running", "healthy"),
        "airflow-webserver": Container("h2", "sha256:new", "running", "healthy"),
        "postgres-airflow": Container("h3", "sha256:postgres", "running", "healthy"),
    },
)


def scheduler(**changed: str) -> Machine:
    """Return a machine where all is well but the scheduler."""
    return replace(
        WELL, found=WELL.found | {"airflow-scheduler": replace(WELL.found["airflow-scheduler"], **changed)}
    )


def test_nothing_is_due_where_all_is_well() -> None:
    """The second deploy changes nothing."""
    assert out_of_date(WELL) == []


@pytest.mark.parametrize(("read", "due"), [("c1", []), ("c0", ["caddy"]), ("", ["caddy"])])
def test_a_proxy_that_has_not_read_its_configuration_is_due(read: str, due: list[str]) -> None:
    """Its container is the same, whatever the files say that it reads."""
    machine = replace(
        WELL,
        values=WELL.values | {"CADDY_IMAGE": "caddy:2", "proxy.configured": "c1", "proxy.read": read},
        images=WELL.images | {"caddy:2": "sha256:caddy"},
        wanted=WELL.wanted | {"caddy": "h4"},
        found=WELL.found | {"caddy": Container("h4", "sha256:caddy", "running", "healthy")},
    )
    assert out_of_date(machine) == due


@pytest.mark.parametrize(
    "changed",
    [
        {"hash": "h9"},
        {"image": "sha256:old"},
        {"state": "exited"},
        {"state": "restarting"},
        {"state": "paused"},
        {"health": "unhealthy"},
        {"health": "starting"},
    ],
)
def test_the_service_that_is_not_as_wanted_is_due(changed: dict[str, str]) -> None:
    """Another configuration, another image, stopped or unwell: that service, and no other."""
    assert out_of_date(scheduler(**changed)) == ["airflow-scheduler"]


def test_a_service_without_a_health_check_is_well_when_it_runs() -> None:
    """Running is all it can say."""
    assert out_of_date(scheduler(health="-")) == []


def test_a_missing_service_is_due() -> None:
    """A container that somebody removed is made again."""
    found = {name: container for name, container in WELL.found.items() if name != "postgres-airflow"}
    assert out_of_date(replace(WELL, found=found)) == ["postgres-airflow"]


def test_a_service_too_many_is_due() -> None:
    """The triggerer that a setting no longer asks for goes away."""
    found = WELL.found | {"airflow-triggerer": WELL.found["airflow-scheduler"]}
    assert out_of_date(replace(WELL, found=found)) == ["airflow-triggerer"]


def test_all_that_is_due_is_named_in_order() -> None:
    """As a person reads it: by name."""
    assert out_of_date(replace(WELL, found={})) == [
        "airflow-scheduler",
        "airflow-webserver",
        "postgres-airflow",
    ]


def test_another_release_on_another_image_is_due_for_airflow_alone() -> None:
    """After the switch every Airflow service runs on an old image; the database does not."""
    other = replace(WELL, values={**WELL.values, "current": "r-1"})
    assert out_of_date(other) == ["airflow-scheduler", "airflow-webserver"]


def test_an_image_that_is_gone_is_due() -> None:
    """A container may outlive its image's name; it is not what would be started now."""
    assert out_of_date(replace(WELL, images={})) == sorted(WELL.found)


def test_nothing_is_due_on_a_host_that_has_nothing() -> None:
    """There is nothing to compare; that nothing is wanted is for the step to see."""
    assert out_of_date(Machine()) == []


def test_limits_are_in_the_order_of_the_scripts() -> None:
    """As each script that starts the services takes them, after what is its own."""
    assert limits(Settings(start_timeout=1, drain_timeout=2, overdue_tasks="go-ahead")) == (
        "1",
        "2",
        "go-ahead",
    )
    for name in ("start", "rollback"):
        text = (script.SCRIPTS / f"{name}.sh").read_text()
        taken = re.findall(r"(\w+)=\$\d", text)
        assert taken[-3:] == ["start_timeout", "drain_timeout", "overdue_tasks"], name
