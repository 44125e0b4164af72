"""A setting is changed and deployed: it reaches its service, and nothing else notices."""

from .containers import health, ids
from .machine import Machine


def parallelism(machine: Machine) -> str:
    """Return the setting as Airflow itself reads it."""
    command = "docker exec flights-mlops-airflow-scheduler-1 airflow config get-value core parallelism"
    return machine.sudo(f"{command} 2>/dev/null").stdout.strip()


def test_parallelism_reaches_the_scheduler_alone(bookworm: Machine) -> None:
    """Only the scheduler is made anew, with the setting; without the setting it is the default again."""
    bookworm.as_deployed()
    before = ids(bookworm)
    assert parallelism(bookworm) == "8"

    bookworm.deploy("--data", "parallelism=6")
    after = ids(bookworm)
    assert parallelism(bookworm) == "6"
    assert {name for name in before if before[name] != after[name]} == {"airflow-scheduler"}
    assert set(health(bookworm).values()) == {"healthy"}

    bookworm.as_deployed()
    assert parallelism(bookworm) == "8"


def test_a_triggerer_comes_and_goes_with_its_setting(bookworm: Machine) -> None:
    """A service that a setting asks for is started beside the others, and removed with the setting."""
    bookworm.as_deployed()
    before = ids(bookworm)
    bookworm.deploy("--data", "triggerer=true")
    assert health(bookworm)["airflow-triggerer"] == "healthy"
    assert before.items() <= ids(bookworm).items()
    bookworm.as_deployed()
    assert ids(bookworm) == before
