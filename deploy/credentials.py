"""The stack's own secrets: made and rotated on the host, and never brought from it or shown."""

from __future__ import annotations

from collections.abc import Generator

from pyinfra import host
from pyinfra.api.exceptions import DeployError
from pyinfra.connectors.local import LocalConnector

from deploy import lock, status
from deploy.inventory import current
from deploy.machine import Kept, look
from deploy.script import Run
from deploy.settings import Settings, limits
from deploy.step import deploy, operation

# One file each, which compose mounts only where it is needed; the names are part of the compose template.
NAMES = (
    "admin_password",
    "api_secret_key",
    "fernet_key",
    "jwt_secret",
    "postgres_password",
    "sql_alchemy_conn",
)
# Those that are made of nothing else.
ROTATED = tuple(name for name in NAMES if name != "sql_alchemy_conn")
# For the group root as well, as which PostgreSQL runs; on the host, the directory keeps everybody else out.
MODE = "440"
DIRECTORY_MODE = "700"


@deploy("Credentials")
def ensure() -> None:
    """Have every secret, readable by the stack's user alone.

    The login of the machine that deploys to itself is airflow / airflow, because only its own loopback
    address reaches it; any other host, and one with a domain, gets a generated password.
    """
    settings = current()
    local = isinstance(host.connector, LocalConnector) and not settings.domain
    generate(name="Generate the secrets that are missing", local=local, settings=settings)


@deploy("Credentials")
def rotate(*, secret: str = "") -> None:
    """Give the ``secret`` of that name, several with commas between, or each of them a new value, and use it.

    The services that know it are stopped when their tasks have ended, and started again; the admin
    password stops nothing.
    """
    names = chosen(secret)
    if not look()["current"]:
        raise DeployError(f"{host.name}: it has no stack; deploy first.")
    renew(name=f"Rotate {', '.join(names)}", names=names, settings=current())
    lock.leave()
    status.show()


def chosen(secret: str) -> tuple[str, ...]:
    """Return the names in a text, or all where it is empty. Raises ``DeployError`` with those there are."""
    names = tuple(name.strip() for name in str(secret).split(",")) if secret else ROTATED
    if unknown := [name for name in names if name not in ROTATED]:
        raise DeployError(
            f"{host.name}: no secret {' or '.join(unknown)} can be rotated, only {', '.join(ROTATED)}."
        )
    return names


@operation(is_idempotent=False)
def renew(*, names: tuple[str, ...], settings: Settings) -> Generator[Run]:
    """Replace them by new ones, and have the services use those."""
    yield Run("rotate", str(look().uid), *limits(settings), *names)


@operation()
def generate(*, local: bool, settings: Settings) -> Generator[Run]:
    """Generate what is missing, put right owner and mode, and end a rotation that was cut short."""
    machine = look()
    kept = [machine.secrets.get(name) for name in NAMES]
    closed = machine.directories.get("secrets") == Kept(0, DIRECTORY_MODE)
    is_cut_short = machine["rotation"] and machine["current"]
    if not closed or not all(
        secret and secret.size and (secret.uid, secret.mode) == (machine.uid, MODE) for secret in kept
    ):
        yield Run("credentials", str(machine.uid), "known" if local else "generated")
    elif not is_cut_short:
        host.noop("every secret is there, and only the stack's user can read it")
    if is_cut_short:
        yield Run("rotate", str(machine.uid), *limits(settings))
