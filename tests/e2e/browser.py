"""Debian's own Chromium, and what a person does in it."""

from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Page, expect, sync_playwright

PROGRAM = "/usr/bin/chromium"
# In milliseconds; what is expected of a page has a limit of its own.
PATIENCE = 60_000
expect.set_options(timeout=PATIENCE)


@contextmanager
def chromium(*options: str) -> Iterator[Page]:
    """Open a page of it, started with these options beside those it always needs."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=PROGRAM, args=["--no-sandbox", *options], timeout=120_000)
        page = browser.new_page(viewport={"width": 1280, "height": 800}, locale="en-GB")
        page.set_default_timeout(PATIENCE)
        yield page
        browser.close()


def sign_in(page: Page, password: str) -> None:
    """Fill in Airflow's login form, which the page shows."""
    page.locator("input[name=username]").fill("airflow")
    page.locator("input[name=password]").fill(password)
    page.get_by_role("button", name="Sign In").click()
