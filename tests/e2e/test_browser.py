"""The UI in a real browser, as its user sees it."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from .airflow import Airflow, airflow
from .command import ROOT
from .machine import Machine

CHROMIUM = "/usr/bin/chromium"


@pytest.fixture
def page() -> Iterator[Page]:
    """Open Debian's own Chromium."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 800}, locale="en-GB")
        page.set_default_timeout(60_000)
        yield page
        browser.close()


def log_in(page: Page, api: Airflow, password: str) -> None:
    """Fill in the login form."""
    page.goto(f"{api.url}/")
    page.locator("input[name=username]").fill("airflow")
    page.locator("input[name=password]").fill(password)
    page.locator("input[type=submit], button[type=submit]").first.click()


def test_a_person_sees_the_successful_run(trixie: Machine, page: Page, tmp_path: Path) -> None:
    """Log in with the deployed login, find the DAG in the list, open it, and see that its run succeeded.

    FLIGHTS_SCREENSHOT=1 keeps the picture for the README.
    """
    with airflow(trixie) as api:
        run = api.run("flights_bronze")
        log_in(page, api, api.password)
        page.goto(f"{api.url}/dags")
        expect(page.get_by_text("flights_bronze").first).to_be_visible(timeout=60_000)
        page.get_by_text("flights_bronze").first.click()
        page.goto(f"{api.url}/dags/flights_bronze/runs/{run}")
        expect(page.get_by_text(re.compile("^success$", re.IGNORECASE)).first).to_be_visible(timeout=60_000)
        picture = tmp_path / "ui.png"
        if os.environ.get("FLIGHTS_SCREENSHOT"):
            picture = ROOT / "docs/images/ui.png"
            picture.parent.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=picture)
    assert picture.stat().st_size > 10_000


def test_a_person_with_the_wrong_password_stays_outside(trixie: Machine, page: Page) -> None:
    """The form comes back, and nothing of the stack is shown."""
    with airflow(trixie) as api:
        log_in(page, api, "not the password")
        expect(page.locator("input[name=password]")).to_be_visible(timeout=60_000)
        page.goto(f"{api.url}/dags")
        expect(page.get_by_text("flights_bronze")).to_have_count(0)
