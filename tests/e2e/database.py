"""Airflow's own database, asked in SQL as its administrator would on the host."""

from .host import Host

PSQL = "docker exec flights-mlops-postgres-airflow-1 psql --username=airflow --tuples-only --no-align"


def sql(host: Host, query: str) -> str:
    """Return the database's answer, a line a row."""
    return host.sudo(f'{PSQL} --quiet --command="{query}"').stdout.strip()


def revision(host: Host) -> str:
    """Return the revision of its tables, as Airflow has noted it there."""
    return sql(host, "select version_num from alembic_version")
