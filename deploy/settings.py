"""Every knob, its default and its meaning."""

from __future__ import annotations

import os
from typing import Annotated, Literal

# Looking for plugins, of which there are none here, takes longer than all the rest of a model's making.
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from deploy.value import airflow_options, host_name, image_name, remote_storage

Seconds = int
ImageName = Annotated[str, AfterValidator(image_name)]
Port = Annotated[int, Field(ge=1, le=65535)]

# Of these, a fault repeats nothing: output ends up in logs.
MAY_HOLD_A_PASSWORD = frozenset(
    {"airflow_env", "debian_mirror", "dvc_endpoint", "dvc_remote", "proxy", "python_index_url"}
)


class Settings(BaseModel):
    """What an inventory may say of a host. Frozen; unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    project_path: str | None = None
    """Git checkout here of another project to deploy, a directory; by default this repository's own."""

    project_environment: Literal["shared", "separate"] = "shared"
    """Where the image has that project's requirements: beside Airflow's packages, or in /opt/project."""

    dvc_remote: Annotated[str, AfterValidator(remote_storage)] | None = None
    """DVC remote of the tasks: s3://bucket/path, or a directory on the host, made if it is not there."""

    dvc_endpoint: str | None = Field(None, pattern=r"^https?://[^\s@'\"#,$]+$")
    """URL of the S3-compatible server that has the bucket of dvc_remote; by default Amazon's."""

    ui_port: Port = 8080
    """Port of the UI and API on the host's loopback address."""

    domain: Annotated[str, AfterValidator(host_name)] | None = None
    """Host name under which Caddy serves UI and API over HTTPS, on ports 80 and 443 of all addresses."""

    certificate_file: str | None = None
    """Certificate for the domain and its chain in PEM, for tls=files: a file on the machine that deploys."""

    certificate_key_file: str | None = None
    """Private key of that certificate in PEM, without a passphrase, a file on the machine that deploys."""

    tls: Literal["automatic", "internal", "files"] = "automatic"
    """Whose certificate the domain has: a public authority's, one of the host's own, or that in the files."""

    acme_directory: str | None = Field(None, pattern=r"^https://[^\s{}]+$")
    """ACME directory of another authority to ask for automatic certificates, such as a company's own."""

    airflow_image: str | None = Field(None, pattern=r"^[^\s@]+@sha256:[0-9a-f]{64}$")
    """Airflow image to pull with image_source=registry, by its digest: registry/name@sha256:(64 digits)."""

    image_source: Literal["build", "ship", "registry"] = "build"
    """Where the Airflow image comes from: built on the host, built here and shipped, or pulled by digest."""

    base_images: Literal["auto", "registry", "debian"] = "auto"
    """Where base images come from: the registry, Debian's packages, or the registry where it answers."""

    python_image: ImageName = "python:3.13-slim-trixie"
    """Image that the Airflow image is built from, by its name in the registry."""

    postgres_image: ImageName = "postgres:13"
    """Image of the metadata database, by its name in the registry."""

    caddy_image: ImageName = "caddy:2"
    """Image of the proxy that a domain needs, by its name in the registry."""

    debian_mirror: str | None = Field(None, pattern=r"^https?://\S+$")
    """Debian mirror for building base images; by default the one that the host's own apt sources name."""

    python_index_url: str | None = Field(None, pattern=r"^https?://\S+$")
    """Python package index for the build; by default the one pip is told of on the host, else here."""

    proxy: str | None = Field(None, pattern=r"^https?://[^\s'\"\\]+$")
    """HTTP proxy that the host downloads through: apt, the Docker engine, and the build."""

    ca_file: str | None = None
    """File here, in PEM, with private CAs that the host and the build trust beside the public ones."""

    parallelism: int = Field(8, ge=1, le=512)
    """How many tasks the scheduler runs at once. It forks as many workers at its start."""

    triggerer: bool = False
    """Whether to run a triggerer. Only tasks that defer need one."""

    dag_refresh_interval: Seconds = Field(2, ge=1)
    """How often the DAG processor looks for a new release, in seconds."""

    airflow_env: Annotated[dict[str, str], AfterValidator(airflow_options)] = {}
    """More of Airflow's own configuration, as AIRFLOW__SECTION__KEY, for all its services. No secrets."""

    task_memory: str | None = Field(None, pattern=r"^[1-9][0-9]*[mg]$")
    """Memory for the scheduler and all tasks, which run in it; by default the host's but for 1.5 GiB."""

    service_memory: str = Field("1g", pattern=r"^[1-9][0-9]*[mg]$")
    """Memory that each of the other services may take."""

    pids_limit: int = Field(4096, ge=100)
    """How many processes and threads each service may have, its tasks included."""

    log_max_size: str = Field("10m", pattern=r"^[1-9][0-9]*[kmg]$")
    """How large one log file of a container may grow before it is rotated."""

    log_max_files: int = Field(3, ge=1)
    """How many rotated log files a container keeps."""

    stop_timeout: Seconds = Field(120, ge=1)
    """How long a service stopped by hand or a shutdown may take to finish what it does, in seconds."""

    drain_timeout: Seconds = Field(600, ge=1)
    """How long tasks may go on running before the scheduler is replaced, in seconds."""

    overdue_tasks: Literal["wait", "go-ahead"] = "wait"
    """What to do after drain_timeout: wait on for the tasks, or go ahead; Airflow then runs them again."""

    start_timeout: Seconds = Field(300, ge=1)
    """How long the services may take to become healthy, in seconds."""

    apt_lock_timeout: Seconds = Field(300, ge=0)
    """How long to wait for another process to release apt's and dpkg's locks, in seconds."""

    cloud_init_timeout: Seconds = Field(900, ge=0)
    """How long cloud-init may take to finish the first boot, in seconds."""

    firewall: bool = True
    """Whether a firewall lets in SSH and open ports alone, to containers too. Never on @local."""

    open_ports: list[Port] = []
    """TCP ports that the firewall leaves open beside SSH, for other services and containers of the host."""

    harden_ssh: bool = True
    """Whether sshd refuses passwords and root, if this deploy logs in with a key. Never on @local."""

    security_updates: bool = True
    """Whether security updates install themselves, without a reboot. Never on @local."""

    live_restore: bool = True
    """Whether containers run on while the engine restarts, as it does for its update. Never on @local."""

    synchronise_clock: bool = True
    """Whether the clock follows time servers; a time daemon that is there stays. Never on @local."""

    keep_releases: int = Field(5, ge=1)
    """How many releases stay on the host to go back to, the current one included."""

    message: str = ""
    """What a deploy is for, as the lock and the history say it."""

    @field_validator("image_source")
    @classmethod
    def _an_image_to_pull(cls, value: str, info: ValidationInfo) -> str:
        # Where that is not as it should be, its own fault is enough.
        if value == "registry" and info.data.get("airflow_image", "") is None:
            raise ValueError("should go with airflow_image, which names the image to pull")
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
            raise ValueError(f"should go with {' and '.join(missing)}")
        return value


def limits(settings: Settings) -> tuple[str, str, str]:
    """Return the arguments that tell scripts which start or end services how long to wait for what."""
    return str(settings.start_timeout), str(settings.drain_timeout), settings.overdue_tasks
