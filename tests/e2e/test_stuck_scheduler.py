"""A scheduler that no task keeps does not end when it is told to: a deploy does not wait for it for ever."""

from .containers import health, ids
from .machine import Machine

# One of the scheduler's workers neither works nor ends any more, and the scheduler waits for it.
STOP_A_WORKER = "kill -STOP $(pgrep --full '[L]ocalExecutor: <idle>' | head -n 1)"


def test_a_scheduler_that_does_not_end_is_stopped(bookworm: Machine) -> None:
    """A changed setting reaches it nevertheless, and the deploy says what it did."""
    bookworm.as_deployed()
    before = ids(bookworm)["airflow-scheduler"]
    bookworm.sudo(STOP_A_WORKER)
    done = bookworm.deploy("--data", "parallelism=6")
    assert "the scheduler did not exit; killing it" in done.stdout + done.stderr
    assert ids(bookworm)["airflow-scheduler"] != before
    assert set(health(bookworm).values()) == {"healthy"}
    bookworm.as_deployed()
