"""How old images are, as status shows it."""

from datetime import UTC, datetime

import pytest

from deploy.base_images.facts import HINT, Found, Images, ages
from deploy.settings import Settings

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
PINNED = "postgres:13.sha256-0123456789ab"
LISTING = """\
image flights-mlops-airflow:i-1 sha256:aaaa 2026-11-24 10:00:00 +0000 UTC
image python:3.13 sha256:bbbb {python} +0100 CET
image postgres:13 sha256:cccc {postgres} +0000 UTC
image postgres:13.sha256-0123456789ab sha256:cccc {postgres} +0000 UTC
used PYTHON python:3.13 -
used POSTGRES {uses} -
asked - - {asked}
"""


def host(
    python: str = "2026-11-25 00:30:00",
    postgres: str = "2026-11-20 10:00:00",
    uses: str = "postgres:13",
    asked: str = "0",
) -> Found:
    """Return what a host with these images has."""
    return Images().read(LISTING.format(python=python, postgres=postgres, uses=uses, asked=asked).splitlines())


@pytest.mark.parametrize(
    ("found", "line"),
    [
        (host(), "Images: Airflow 2 days old, Python 1 day, PostgreSQL 6 days"),
        (
            host(postgres="2026-10-27 13:00:00"),
            "Images: Airflow 2 days old, Python 1 day, PostgreSQL 29 days",
        ),
        (
            host(postgres="2026-10-20 10:00:00"),
            f"Images: Airflow 2 days old, Python 1 day, PostgreSQL 37 days ({HINT})",
        ),
        (
            host(postgres="2026-10-20 10:00:00", asked=str(int(datetime(2026, 11, 1, tzinfo=UTC).timestamp()))),
            "Images: Airflow 2 days old, Python 1 day, PostgreSQL 37 days",
        ),
        (
            host(postgres="2026-10-20 10:00:00", uses=PINNED),
            "Images: Airflow 2 days old, Python 1 day, PostgreSQL 37 days",
        ),
        # A reproducible build, an unknown date, and a clock that is wrong.
        (host(postgres="1970-01-01 00:00:00"), "Images: Airflow 2 days old, Python 1 day"),
        (host(python="yesterday at noon"), "Images: Airflow 2 days old, PostgreSQL 6 days"),
        (host(postgres="2026-11-27 10:00:00"), "Images: Airflow 2 days old, Python 1 day, PostgreSQL 0 days"),
        (Found(), ""),
    ],
)
def test_the_age_of_images(found: Found, line: str) -> None:
    """The way to newer ones is said where one is old, not pinned, and none was asked for in a month."""
    assert ages("flights-mlops-airflow:i-1", found, Settings(), NOW) == line
