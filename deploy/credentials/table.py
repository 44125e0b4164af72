"""All secrets of the stack, in one table: where each comes from, and which services read it.

By this table they are generated, delivered, rotated, checked, and mounted by the compose file. A new secret is a line
of it, and the setting that asks for it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from deploy.settings import Settings

AIRFLOW = ("airflow-init", "airflow-webserver", "airflow-scheduler", "airflow-dag-processor", "airflow-triggerer")


@dataclass(frozen=True)
class Given:
    """Where a secret comes from that the operator gives: environment variables of the control node."""

    required: tuple[str, ...]
    optional: tuple[str, ...] = ()
    form: Callable[[Mapping[str, str]], str] = lambda found: next(iter(found.values()))
    """Makes the content of the file of the variables; by default that of the only one."""

    def found(self) -> dict[str, str]:
        """Return those variables that are set."""
        return {name: os.environ[name] for name in (*self.required, *self.optional) if os.environ.get(name)}

    def lacking(self) -> list[str]:
        """Return the names of the required variables that are not set."""
        return [name for name in self.required if name not in self.found()]

    def text(self) -> str:
        """Return the content, without a line break at its end; nothing where a required variable is not set."""
        return "" if self.lacking() else self.form(self.found()).rstrip("\n")


@dataclass(frozen=True)
class Secret:
    """One secret: a file on the host, which compose mounts into the services that read it."""

    name: str
    readers: tuple[str, ...]
    size: int = 0
    """Random bytes it is generated of, on the host; 0 where it is given, or made of another one."""
    given: Given | None = None
    setting: str = ""
    """The setting that asks for a given secret."""
    is_wanted: Callable[[Settings], object] = lambda _: True
    """Whether these settings ask for it."""


def _aws_file(found: Mapping[str, str]) -> str:
    """Return credentials as AWS's own tools keep them."""
    return "".join(["[default]\n", *(f"{name.lower()} = {value}\n" for name, value in found.items())])


AWS = Given(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), ("AWS_SESSION_TOKEN",), _aws_file)

SECRETS = (
    Secret("admin_password", AIRFLOW[:1], 18),
    Secret("api_secret_key", AIRFLOW, 48),
    Secret("aws_credentials", ("airflow-scheduler",), 0, AWS, "dvc_remote", lambda settings: settings.dvc_bucket),
    Secret("fernet_key", AIRFLOW, 32),
    Secret("jwt_secret", AIRFLOW, 48),
    Secret("postgres_password", ("postgres-airflow",), 24),
    # The connection URL with postgres_password, which make.sh makes of it.
    Secret("sql_alchemy_conn", AIRFLOW),
)
GENERATED = tuple(secret for secret in SECRETS if secret.size)
GIVEN = tuple((secret, secret.given) for secret in SECRETS if secret.given)


def names(settings: Settings) -> tuple[str, ...]:
    """Return the names of the secrets that a release with these settings has."""
    return tuple(secret.name for secret in SECRETS if secret.is_wanted(settings))


def by_service(settings: Settings) -> dict[str, tuple[str, ...]]:
    """Return the names of the secrets that each service reads, by the name of the service."""
    wanted = [secret for secret in SECRETS if secret.is_wanted(settings)]
    services = dict.fromkeys(service for secret in wanted for service in secret.readers)
    return {service: tuple(secret.name for secret in wanted if service in secret.readers) for service in services}
