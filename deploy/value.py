"""What a single setting may be, where a type or a pattern does not say it. Pure."""

from __future__ import annotations

import re

# Settings of the stack have fields of their own; a second way to set them would be a contradiction.
OWNED_BY_THE_STACK = frozenset(
    {
        "AIRFLOW__API__BASE_URL",
        "AIRFLOW__API__SECRET_KEY",
        "AIRFLOW__API_AUTH__JWT_SECRET",
        "AIRFLOW__CORE__AUTH_MANAGER",
        "AIRFLOW__CORE__DAGS_FOLDER",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL",
        "AIRFLOW__CORE__EXECUTOR",
        "AIRFLOW__CORE__FERNET_KEY",
        "AIRFLOW__CORE__PARALLELISM",
        "AIRFLOW__DAG_PROCESSOR__BUNDLE_REFRESH_CHECK_INTERVAL",
        "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST",
        "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN",
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER",
        "AIRFLOW__SCHEDULER__ENABLE_HEALTH_CHECK",
    }
)

# What is the system's or the stack's own: a directory that tasks may write to is neither below nor above it.
NOT_FOR_TASKS = (
    *("app", "bin", "boot", "dev", "etc", "lib", "lib32", "lib64", "libx32", "opt", "proc", "root", "run"),
    *("sbin", "sys", "tmp", "usr", "var/backups/flights-mlops", "var/lib/containerd", "var/lib/docker"),
    *("var/lib/flights-mlops", "var/run"),
)


def airflow_options(value: dict[str, str]) -> dict[str, str]:
    """Return options of Airflow's own configuration, unless one is the stack's or none of Airflow's."""
    for name in value:
        # Airflow reads an option from the output of a command or from a secrets backend as well.
        option = name.removesuffix("_CMD").removesuffix("_SECRET")
        if not re.fullmatch(r"AIRFLOW__[A-Z0-9_]+__[A-Z0-9_]+", name):
            raise ValueError(f"{name} is not AIRFLOW__SECTION__KEY")
        if {name, option} & OWNED_BY_THE_STACK:
            raise ValueError(f"{name} is set by the stack itself")
    return value


def remote_storage(value: str) -> str:
    """Return a bucket without credentials, or a directory of the host with which tasks harm nobody else."""
    # What could mean something else to compose or to DVC's configuration as well is in neither.
    if not re.fullmatch(r"s3://[^\s'\"#,$@:]+|/[^\s'\"#,$:]+", value):
        raise ValueError(
            "should be s3://bucket/path, with no credentials in it, or the absolute path of a directory"
        )
    if value.startswith("s3://"):
        return value
    path = [part for part in value.split("/") if part not in {"", "."}]
    if len(path) <= 1 or ".." in path:
        raise ValueError("should be a directory two or more levels below /, such as /srv/dvc")
    for taken in NOT_FOR_TASKS:
        other = taken.split("/")
        if path[: len(other)] == other or other[: len(path)] == path:
            raise ValueError(f"should be a directory apart from /{taken}, which is not for tasks to write to")
    return "/" + "/".join(path)


def host_name(value: str) -> str:
    """Return a host name of two labels or more, in lower case."""
    label = "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
    if not re.fullmatch(rf"(?=.{{4,253}}$)({label}\.)+(?=.*[a-z])({label})", value):
        raise ValueError("should be a host name in lower case, such as airflow.example.com")
    return value


def image_name(value: str) -> str:
    """Return the name of an image as Docker lists it."""
    # Another way to write the same image would never be found among those of a host.
    if not re.fullmatch(r"[^\s:@]+(:\d+/[^\s:@]+)?:[\w.-]+", value) or value.startswith("docker.io/"):
        raise ValueError("should be name:tag, as `docker images` lists it, without docker.io/ or a digest")
    return value
