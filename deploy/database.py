"""Dumps of the metadata database: taken before a migration and on demand, and the way back to one."""

from __future__ import annotations

from collections.abc import Generator

from deploy import lock
from deploy.inventory import current
from deploy.script import Run
from deploy.settings import Settings
from deploy.step import deploy, operation


@deploy("Database")
def dump() -> None:
    """Dump the database into /var/backups/flights-mlops on the host; what runs goes on."""
    save(name="Dump the database")
    lock.leave()


@deploy("Database")
def restore(*, dump: str = "") -> None:
    """Put the database back to the ``dump`` of that name, having dumped it first; Airflow stays stopped."""
    put_back(name=f"Restore the database from {dump or 'a dump'}", dump=dump, settings=current())
    lock.leave()


@operation(is_idempotent=False)
def save() -> Generator[Run]:
    """Write a new dump."""
    yield Run("dump")


@operation(is_idempotent=False)
def put_back(*, dump: str, settings: Settings) -> Generator[Run]:
    """Drain, stop Airflow's services, dump, and put the other dump in the place of the database."""
    yield Run("restore", dump, str(settings.drain_timeout), settings.overdue_tasks)
