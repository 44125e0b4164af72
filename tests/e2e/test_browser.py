"""The UI in a real browser, as its user sees it."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Page, expect

from .airflow import airflow
from .browser import chromium, sign_in
from .command import ROOT
from .host import Host
from .machine import Machine


@contextmanager
def browser(host: Host, ui_port: int = 8080) -> Iterator[Page]:
    """Open a browser, to which `localhost:ui_port` is what the host's is: a person's `ssh -L`."""
    with (
        host.tunnel(ui_port) as (address, port),
        chromium(f"--host-resolver-rules=MAP localhost:{ui_port} {address}:{port}") as page,
    ):
        yield page


def log_in(page: Page, password: str) -> None:
    """Go where the deploy said the UI is, and fill in the login form."""
    page.goto("http://localhost:8080")
    sign_in(page, password)


def test_a_person_sees_the_successful_run(trixie: Machine, tmp_path: Path) -> None:
    """Log in with the deployed login, find the DAG in the list, open it, and see that its run succeeded.

    FLIGHTS_SCREENSHOT=1 keeps the picture for the README.
    """
    with airflow(trixie) as api:
        password, run = api.password, api.run("flights_pipeline")
    picture = tmp_path / "ui.png"
    if os.environ.get("FLIGHTS_SCREENSHOT"):
        picture = ROOT / "docs/images/ui.png"
        picture.parent.mkdir(parents=True, exist_ok=True)
    with browser(trixie) as page:
        log_in(page, password)
        page.get_by_role("link", name="Dags", exact=True).first.click()
        page.get_by_role("link", name="flights_pipeline").first.click()
        expect(page).to_have_url(re.compile("/dags/flights_pipeline"))
        page.goto(f"http://localhost:8080/dags/flights_pipeline/runs/{run}")
        expect(page.get_by_text("Success", exact=True).first).to_be_visible()
        page.screenshot(path=picture)
    assert picture.stat().st_size > 10_000


def test_a_person_with_the_wrong_password_stays_outside(trixie: Machine) -> None:
    """The form comes back, and nothing of the stack is shown."""
    with browser(trixie) as page:
        log_in(page, "not the password")
        expect(page.get_by_text("Invalid login")).to_be_visible()
        page.goto("http://localhost:8080/dags")
        expect(page.locator("input[name=password]")).to_be_visible()
