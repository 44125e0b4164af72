"""An edited DAG, until Airflow's own API names the release; and the way back."""

import re
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from bench.measure import REPEATS, note, seconds, table
from bench.target import Target
from tests.e2e.airflow import Airflow, airflow
from tests.e2e.checkout import Checkout
from tests.e2e.command import ROOT, until

DAG = "flights_bronze"
SOURCE = f"dags/{DAG}.py"
ROLLBACK = "deploy.rollback.to"
LIMIT = 180


def edit(checkout: Checkout) -> None:
    """Give the DAG a tag that it never had."""
    text = (checkout.path / SOURCE).read_text()
    edited, count = re.subn(r"\btags=\[.*?\]", f'tags=["edit-{time.time_ns()}"]', text)
    if count != 1:
        raise RuntimeError(f"{SOURCE} has no tags to edit")
    checkout.write(SOURCE, edited)


def live(api: Airflow) -> str:
    """Return the release that Airflow says the DAG is of, or the empty text where it does not say."""
    return str(api.get(f"dags/{DAG}")["bundle_version"] or "")


def edited(target: Target, checkout: Checkout, api: Airflow) -> tuple[float, float]:
    """Edit and deploy; return the seconds until the edit was live, and those the command itself took.

    The API is asked while the deploy still runs, because the release may be live before it ends.
    """
    before = live(api)
    edit(checkout)
    deploy = partial(target.pyinfra, "deploy.py", checkout=checkout.path)
    with ThreadPoolExecutor() as threads:
        start = time.perf_counter()
        command = threads.submit(seconds, deploy)
        until("the edited DAG", lambda: live(api) not in {"", before}, limit=LIMIT, every=0.1)
        taken = time.perf_counter() - start
    if live(api) != target.current():
        raise RuntimeError(f"Airflow says that {DAG} is of {live(api)}, and the host runs {target.current()}")
    return taken, command.result()


def measure(target: Target) -> None:
    """Print how long edits take to be live, and how much of it is the deploy."""
    checkout = Checkout(target.machine.directory / "edits")
    with airflow(target.machine) as api:
        taken = [edited(target, checkout, api) for _ in range(REPEATS)]
    table(
        (f"an edited DAG, median of {REPEATS}", "seconds"),
        [
            (
                "from typing the command until Airflow's API names the new release",
                middle([t for t, _ in taken]),
            ),
            ("the command itself", middle([t for _, t in taken])),
        ],
    )


def measure_rollback(target: Target) -> None:
    """Print how long it takes to go back to the release before, of which only the DAG differs."""
    if not (ROOT / "deploy/rollback.py").exists():
        note(f"A rollback was not measured: there is no {ROLLBACK}.")
        return
    checkout = Checkout(target.machine.directory / "rollbacks")
    table(
        (f"a rollback of an edited DAG, median of {REPEATS}", "seconds"),
        [
            (
                f"`pyinfra -y inventory.py {ROLLBACK}`",
                middle([rolled_back(target, checkout) for _ in range(REPEATS)]),
            )
        ],
    )


def rolled_back(target: Target, checkout: Checkout) -> float:
    """Deploy an edit, and return the seconds that undoing it takes."""
    before = target.current()
    edit(checkout)
    target.pyinfra("deploy.py", checkout=checkout.path)
    taken = seconds(lambda: target.pyinfra(ROLLBACK, checkout=checkout.path))
    if target.current() != before:
        raise RuntimeError(f"after {ROLLBACK} the host runs {target.current()}, not {before}")
    return taken


def middle(times: list[float]) -> str:
    """Return the median as text."""
    return f"{statistics.median(times):.2f}"
