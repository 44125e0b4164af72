"""Dumps of the metadata database: taken before a migration and on demand, and restored."""

from __future__ import annotations

from collections.abc import Generator

from deploy.core import hosts
from deploy.core.run import StackRun
from deploy.core.step import deploy, operation


@deploy("Database")
def dump() -> None:
    """Dump the database into /var/backups/flights-mlops on the host. The services keep running."""
    _dump(name="Dump the database")


@deploy("Database")
def restore(*, dump: str = "") -> None:
    """Restore the database from the ``dump`` of that name, after dumping it. Airflow stays stopped."""
    hosts.settings()  # which say how long tasks may take
    _restore(name=f"Restore the database from {dump or 'a dump'}", dump=dump)


@operation(is_idempotent=False)
def _dump() -> Generator[StackRun]:
    """Write a new dump."""
    yield StackRun("database/dump")


@operation(is_idempotent=False)
def _restore(*, dump: str) -> Generator[StackRun]:
    """Drain, stop Airflow's services, dump, and replace the database with the other dump."""
    yield StackRun("database/restore", dump=dump)
