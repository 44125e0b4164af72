"""The stack's own secrets: made once, on the host, and never brought from it or shown."""

from __future__ import annotations

from collections.abc import Generator

from pyinfra import host
from pyinfra.api import operation
from pyinfra.api.deploy import deploy
from pyinfra.connectors.local import LocalConnector

from deploy.machine import Kept, look
from deploy.script import Run
from deploy.settings import current

# One file each, which compose mounts only where it is needed; the names are part of the compose template.
NAMES = (
    "admin_password",
    "api_secret_key",
    "fernet_key",
    "jwt_secret",
    "postgres_password",
    "sql_alchemy_conn",
)
# For the group root as well, as which PostgreSQL runs; on the host, the directory keeps everybody else out.
MODE = "440"
DIRECTORY_MODE = "700"


@deploy("Credentials")
def ensure() -> None:
    """Have every secret, readable by the stack's user alone.

    The login of the machine that deploys to itself is airflow / airflow, because only its own loopback
    address reaches it; any other host, and one with a domain, gets a generated password.
    """
    local = isinstance(host.connector, LocalConnector) and not current().domain
    generate(name="Generate the secrets that are missing", local=local)


@operation()
def generate(*, local: bool) -> Generator[Run]:
    """Generate what is missing and put right the owner and mode of what is there."""
    machine = look()
    kept = [machine.secrets.get(name) for name in NAMES]
    closed = machine.directories.get("secrets") == Kept(0, DIRECTORY_MODE)
    if closed and all(
        secret and secret.size and (secret.uid, secret.mode) == (machine.uid, MODE) for secret in kept
    ):
        host.noop("every secret is there, and only the stack's user can read it")
        return
    yield Run("credentials", str(machine.uid), "known" if local else "generated")
