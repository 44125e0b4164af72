"""All secrets of the stack, in one table: where each comes from, and which services read it.

By this table they are generated, delivered, rotated, checked, and mounted by the compose file. A new secret is a line
of it, and the setting that asks for it. What tasks get comes from the settings.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from deploy.settings import Settings

TASKS = "tasks"
"""The directory of the secrets of tasks, below that of all."""

AIRFLOW = ("airflow-init", "airflow-webserver", "airflow-scheduler", "airflow-dag-processor", "airflow-triggerer")


@dataclass(frozen=True)
class Given:
    """Where a secret comes from that the operator gives: environment variables of the control node."""

    required: tuple[str, ...]
    optional: tuple[str, ...] = ()
    form: Callable[[Mapping[str, str]], str] = lambda found: next(iter(found.values()))
    """Makes the content of the file of the variables; by default that of the only one."""
    is_verbatim: bool = False
    """Whether the value is kept as it is, line breaks included."""

    def found(self) -> dict[str, str]:
        """Return those variables that are set."""
        return {name: os.environ[name] for name in (*self.required, *self.optional) if os.environ.get(name)}

    def lacking(self) -> list[str]:
        """Return the names of the required variables that are not set."""
        return [name for name in self.required if name not in self.found()]

    def text(self) -> str:
        """Return the content, without a line break at its end; nothing where a required variable is not set."""
        return "" if self.lacking() else self.form(self.found()).rstrip("\n")

    def problem(self, *, is_kept: bool) -> str:
        """Return what is wrong with what is given, without its value; ``is_kept`` is whether the host has the secret.

        The host's own stays where nothing is given: a colleague without it can deploy as well.
        """
        lacking, values = self.lacking(), self.found()
        broken = [] if self.is_verbatim else [name for name, value in values.items() if "\n" in value]
        if broken:
            return f"has line breaks in {_variables(broken)} on the control node; remove them."
        if lacking and (not is_kept or len(lacking) < len(self.required)):
            return f"needs {_variables(lacking)} on the control node; export {'them' if len(lacking) > 1 else 'it'}."
        return ""


@dataclass(frozen=True)
class GivenFile:
    """A secret that the operator gives as a file on the control node."""

    path: str

    def text(self) -> str:
        """Return its content, or nothing where it cannot be read."""
        try:
            return Path(self.path).expanduser().read_text()
        except (OSError, UnicodeDecodeError):
            return ""

    def problem(self, *, is_kept: bool) -> str:
        """Return why it cannot be given, unless the host has it and it is merely not here."""
        path = Path(self.path).expanduser()
        if is_kept and not path.exists():
            return ""
        try:
            empty = not path.read_text()
        except OSError as error:
            return f"names {self.path}, which cannot be read ({error.strerror}); name a file on the control node."
        except UnicodeDecodeError:
            return f"names {self.path}, which is not text; encode it, for example in base64."
        return f"names {self.path}, which is empty." if empty else ""


def _variables(names: list[str]) -> str:
    return f"the environment variable{'s' * (len(names) > 1)} {' and '.join(names)}"


@dataclass(frozen=True)
class Secret:
    """One secret: a file on the host, which compose mounts into the services that read it."""

    name: str
    """Its path below the directory of all secrets."""
    readers: tuple[str, ...] = ()
    """The services that mount it by itself."""
    size: int = 0
    """Random bytes it is generated of, on the host; 0 where it is given, or made of another one."""
    given: Given | GivenFile | None = None
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


def of_tasks(settings: Settings) -> tuple[Secret, ...]:
    """Return the secrets that these settings name for tasks.

    Each is a file in a directory that is mounted whole, so none needs a line in the compose file, and a new or another
    one no restart. Those in ``env`` are in the environment of tasks as well.
    """
    variables = [
        Secret(f"{TASKS}/env/{name}", given=Given((name,), is_verbatim=True), setting="task_secrets")
        for name in settings.task_secrets
    ]
    files = [
        Secret(f"{TASKS}/files/{name}", given=GivenFile(path), setting="task_secret_files")
        for name, path in settings.task_secret_files.items()
    ]
    return (*variables, *files)


def given(settings: Settings) -> tuple[tuple[Secret, Given | GivenFile], ...]:
    """Return the secrets that these settings ask the operator for, and where each comes from."""
    wanted = [secret for secret in SECRETS if secret.is_wanted(settings)]
    return tuple((secret, secret.given) for secret in (*wanted, *of_tasks(settings)) if secret.given)


def names(settings: Settings) -> tuple[str, ...]:
    """Return the names of the secrets that a release with these settings has."""
    return tuple(secret.name for secret in SECRETS if secret.is_wanted(settings))


def by_service(settings: Settings) -> dict[str, tuple[str, ...]]:
    """Return the names of the secrets that each service reads, by the name of the service."""
    wanted = [secret for secret in SECRETS if secret.is_wanted(settings)]
    services = dict.fromkeys(service for secret in wanted for service in secret.readers)
    return {service: tuple(secret.name for secret in wanted if service in secret.readers) for service in services}
