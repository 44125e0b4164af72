"""Every setting: its default, its meaning and its validator."""

from __future__ import annotations

import os
import re
from typing import Annotated, Literal

# Looking for plugins, of which there are none here, takes longer than all the rest of a model's making.
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, field_validator

Seconds = int
# Settings of the stack have fields of their own; a second way to set them would be a contradiction.
OWNED_BY_THE_STACK = frozenset(
    {
        "AIRFLOW__API__BASE_URL",
        "AIRFLOW__API__ENABLE_SWAGGER_UI",
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
    *("app", "bin", "boot", "dev", "etc", "home", "lib", "lib32", "lib64", "libx32", "opt", "proc", "root"),
    *("run", "sbin", "sys", "tmp", "usr", "var/backups/flights-mlops", "var/lib/containerd"),
    *("var/lib/docker", "var/lib/flights-mlops", "var/run"),
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
    if not re.fullmatch(r"s3://[^\s'\"#,$@:]+|/[\w./@+=-]+", value):
        raise ValueError("should be s3://bucket/path, with no credentials in it, or the absolute path of a directory")
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
    """Return the name of an image as Docker lists it, with or without a digest."""
    # Another way to write the same image would never be found among those of a host.
    name = r"[^\s:@]+(:\d+/[^\s:@]+)?:[\w.-]+(@sha256:[0-9a-f]{64})?"
    if not re.fullmatch(name, value) or value.startswith("docker.io/"):
        raise ValueError("should be name:tag or name:tag@sha256:(64 digits), as in `docker images`, without docker.io/")
    return value


ImageName = Annotated[str, AfterValidator(image_name)]
Port = Annotated[int, Field(ge=1, le=65535)]

# Error messages do not repeat the values of these: output ends up in logs.
MAY_HOLD_A_PASSWORD = frozenset(
    {"airflow_env", "debian_mirror", "dvc_endpoint", "dvc_remote", "proxy", "python_index_url"}
)


class Settings(BaseModel):
    """What an inventory may say of a host. Frozen; unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    project_path: str | None = None
    """Path here of a git checkout of another project to deploy; by default this repository's own project."""

    project_environment: Literal["shared", "separate"] = "shared"
    """Where the image installs that project's requirements: shared (with Airflow) or separate (/opt/project)."""

    dvc_remote: Annotated[str, AfterValidator(remote_storage)] | None = None
    """DVC remote for tasks: s3://bucket/path, or a directory on the host, created if missing."""

    dvc_endpoint: str | None = Field(None, pattern=r"^https?://[^\s@'\"#,$]+$")
    """URL of the S3-compatible server with the bucket of dvc_remote; by default Amazon's."""

    ui_port: Port = 8080
    """Port of the UI and API on the host's loopback address."""

    domain: Annotated[str, AfterValidator(host_name)] | None = None
    """Host name under which Caddy serves the UI and API over HTTPS, on ports 80 and 443 of all addresses."""

    certificate_file: str | None = None
    """Certificate and chain for the domain in PEM, with tls=files; a file on the control node."""

    certificate_key_file: str | None = None
    """Private key of that certificate in PEM, without a passphrase; a file on the control node."""

    tls: Literal["automatic", "internal", "files"] = "automatic"
    """Source of the domain's certificate: a public authority, an internal one on the host, or the two files."""

    acme_directory: str | None = Field(None, pattern=r"^https://[^\s{}]+$")
    """ACME directory URL of another authority for automatic certificates, such as a company's own."""

    airflow_image: str | None = Field(None, pattern=r"^[^\s@]+@sha256:[0-9a-f]{64}$")
    """Airflow image to pull with image_source=registry, by digest: registry/name@sha256:(64 digits)."""

    image_source: Literal["build", "ship", "registry"] = "build"
    """Source of the Airflow image: built on the host, built on the control node and shipped, or pulled."""

    base_images: Literal["auto", "registry", "debian"] = "auto"
    """Source of base images: the registry, Debian's packages, or (auto) the registry if it answers."""

    python_image: ImageName = "python:3.13-slim-trixie"
    """Image that the Airflow image is built from: name:tag or name:tag@sha256:…."""

    postgres_image: ImageName = "postgres:13"
    """Image of the metadata database: name:tag or name:tag@sha256:…."""

    caddy_image: ImageName = "caddy:2"
    """Image of the proxy for a domain: name:tag or name:tag@sha256:…."""

    debian_mirror: str | None = Field(None, pattern=r"^https?://\S+$")
    """Debian mirror for building base images; by default the one in the host's apt sources."""

    python_index_url: str | None = Field(None, pattern=r"^https?://\S+$")
    """Python package index for image builds; by default pip's on the host, else pip's on the control node."""

    proxy: str | None = Field(None, pattern=r"^https?://[^\s'\"\\]+$")
    """HTTP proxy for downloads of the host: apt, the Docker engine and image builds."""

    ca_file: str | None = None
    """Private CAs (a PEM file on the control node) to trust on the host and in image builds."""

    parallelism: int = Field(8, ge=1, le=512)
    """Number of tasks that run at once. The scheduler starts this many worker processes."""

    triggerer: bool = False
    """Run a triggerer. Only tasks that defer need one."""

    dag_refresh_interval: Seconds = Field(2, ge=1)
    """Seconds between the DAG processor's checks for a new release."""

    airflow_env: Annotated[dict[str, str], AfterValidator(airflow_options)] = {}
    """More Airflow options for all services, as AIRFLOW__SECTION__KEY. No secrets."""

    task_memory: str | None = Field(None, pattern=r"^[1-9][0-9]*[mg]$")
    """Memory limit of the scheduler and all tasks, which run in it; by default the host's less 1.5 GiB."""

    service_memory: str = Field("1g", pattern=r"^[1-9][0-9]*[mg]$")
    """Memory limit of each other service."""

    pids_limit: int = Field(4096, ge=100)
    """Number of processes and threads that each service may have, tasks included."""

    max_request_size: str = Field("10m", pattern=r"^[1-9][0-9]*[km]$")
    """Largest request to the UI or API, including those of tasks; without a login the limit is 64 KB."""

    api_docs: bool = False
    """Serve the API descriptions at /docs, /redoc and /openapi.json."""

    log_max_size: str = Field("10m", pattern=r"^[1-9][0-9]*[kmg]$")
    """Size at which a container's log file is rotated."""

    log_max_files: int = Field(3, ge=1)
    """Number of rotated log files kept for each container."""

    stop_timeout: Seconds = Field(120, ge=1)
    """Seconds that a service may take to finish when it is stopped by hand or by a shutdown."""

    drain_timeout: Seconds = Field(600, ge=1)
    """Seconds to wait for running tasks before the scheduler is replaced."""

    overdue_tasks: Literal["wait", "go-ahead"] = "wait"
    """What happens after drain_timeout: wait for the tasks, or go ahead; Airflow then runs them again."""

    start_timeout: Seconds = Field(300, ge=1)
    """Seconds to wait for services to become healthy."""

    apt_lock_timeout: Seconds = Field(300, ge=0)
    """Seconds to wait for another process to release the locks of apt and dpkg."""

    cloud_init_timeout: Seconds = Field(900, ge=0)
    """Seconds to wait for cloud-init to finish the first boot."""

    firewall: bool = True
    """Block inbound ports other than SSH and open_ports, including published container ports. Never on @local."""

    open_ports: list[Port] = []
    """TCP ports that the firewall leaves open besides SSH, for other services and containers."""

    metadata_access: bool = False
    """Let containers reach the cloud's metadata service, for tasks that use the VM's role."""

    harden_ssh: bool = True
    """Have sshd refuse passwords, root and weak algorithms, once a key has logged in. Never on @local."""

    harden_kernel: bool = True
    """Set hardened kernel values; turn off core dumps and rare network protocols. Never on @local."""

    security_updates: bool = True
    """Install security updates automatically, without reboots. Never on @local."""

    live_restore: bool = True
    """Enable Docker live-restore: containers keep running while the engine restarts. Never on @local."""

    synchronise_clock: bool = True
    """Synchronise the clock with time servers; an existing time daemon is kept. Never on @local."""

    keep_releases: int = Field(5, ge=1)
    """Number of releases kept on the host to roll back to, the current one included."""

    message: str = ""
    """What a deploy is for; shown in the lock and the history."""

    @field_validator("image_source")
    @classmethod
    def _an_image_to_pull(cls, value: str, info: ValidationInfo) -> str:
        # Where that is invalid itself, its own error is enough.
        if value == "registry" and info.data.get("airflow_image", "") is None:
            raise ValueError("requires airflow_image, which names the image to pull")
        return value

    @property
    def dvc_bucket(self) -> bool:
        """Whether the DVC remote is a bucket, which takes credentials."""
        return (self.dvc_remote or "").startswith("s3://")

    @property
    def dvc_directory(self) -> str:
        """The DVC remote where it is a directory on the host, else nothing."""
        return "" if self.dvc_bucket else self.dvc_remote or ""

    @property
    def public_ports(self) -> tuple[int, ...]:
        """The ports that Caddy listens on, of all addresses."""
        return (80, 443) if self.domain else ()

    @field_validator("tls")
    @classmethod
    def _files_are_named(cls, value: str, others: ValidationInfo) -> str:
        # The files come first among the fields, so that it is known here whether they are set.
        missing = [name for name in ("certificate_file", "certificate_key_file") if not others.data.get(name)]
        if value == "files" and missing:
            raise ValueError(f"requires {' and '.join(missing)}")
        return value


def size_in_bytes(value: str) -> int:
    """Return how many bytes a size is, such as 512k or 10m."""
    return int(value[:-1]) * {"k": 1 << 10, "m": 1 << 20}[value[-1]]
