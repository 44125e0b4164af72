"""What a release holds beside the project: the image's sources, the compose file and its .env.

Pure: from settings and the few facts of a host that the templates need, to files.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from jinja2 import TemplateError, TemplateSyntaxError

from deploy.core import paths, template
from deploy.core.paths import ROOT
from deploy.credentials import table
from deploy.release import checkout, content
from deploy.release.content import File
from deploy.settings import Settings, size_in_bytes

IMAGE = "flights-mlops-airflow"
# MiB that the host and the other services keep: idle, they take about half of it.
OTHERS_MEMORY = 1536

COMPOSE, ENV = "airflow/docker-compose.yaml", "airflow/.env"
# The templates, by the path of what becomes of them in a release.
TEMPLATES = {COMPOSE: "stack/docker-compose.yaml", ENV: "stack/.env", "airflow/dvc.config": "dvc/dvc.config"}
# Only with a domain.
PROXY_TEMPLATES = {"airflow/Caddyfile": "tls/Caddyfile"}
# What the image is built from, by its path in a release, and where that is in this repository.
IMAGE_SOURCES = {
    "airflow/installer.txt": "requirements/installer.txt",
    **{
        f"airflow/{name}": f"files/images/{name}"
        for name in (
            "check-dags",
            "Dockerfile",
            "Dockerfile.dockerignore",
            "healthcheck",
            "initialise",
            "release_bundle.py",
            "request_guard.py",
            "set-password",
            "workspace",
        )
    },
}
LOCK = "airflow/requirements.txt"


@dataclass(frozen=True)
class Placement:
    """What the templates need to know of the host a release goes to."""

    uid: int
    """User id that the stack runs as, and owns what it writes."""
    python_image: str
    """Name, on the host, of the image that the Airflow image is built from."""
    postgres_image: str
    """Name, on the host, of the database's image."""
    memory: int
    """The host's memory in MiB; what a kernel keeps for itself varies, so rounded down to whole half GiB."""
    caddy_image: str = ""
    """Name, on the host, of the proxy's image, where there is a domain."""

    @property
    def task_memory(self) -> str:
        """What the scheduler and its tasks may take where no setting says it."""
        return f"{max(self.memory - OTHERS_MEMORY, OTHERS_MEMORY)}m"


@dataclass(frozen=True)
class Release:
    """A whole release for one host."""

    id: str
    image: str
    """The Airflow image it runs on, as name:tag."""
    files: tuple[File, ...]

    @property
    def configuration(self) -> tuple[str, str]:
        """The text of the compose file, and of its .env."""
        text = {file.path: file.content.decode() for file in self.files if file.path in {COMPOSE, ENV}}
        return text[COMPOSE], text[ENV]


def image_sources(root: Path = ROOT) -> tuple[File, ...]:
    """Return the files that the Airflow image of any project is built from, its locks excepted."""
    return tuple(content.read(root, source, name) for name, source in IMAGE_SOURCES.items())


def render(settings: Settings, placement: Placement, image: str, root: Path = ROOT) -> tuple[File, ...]:
    """Render the compose file and its .env, and with a domain the proxy's configuration.

    Raises ``ValueError`` with one sentence that names the template, where one is broken or uses a
    value that does not exist.
    """
    environment = template.environment(root / "templates")
    values = {
        "settings": settings,
        "placement": placement,
        "image": image,
        "task_memory": settings.task_memory or placement.task_memory,
        "project_root": paths.PROJECT,
        "state_root": paths.STATE,
        "configuration_root": paths.CONFIGURATION,
        "certificate_directory": paths.CERTIFICATES,
        "caddy_directory": paths.CADDY,
        "caddy_uid": paths.CADDY_UID,
        "max_request_bytes": size_in_bytes(settings.max_request_size),
        "request_guard": request_guard(settings),
        "secret_names": table.names(settings),
        "secrets": table.by_service(settings),
    }
    files = []
    for path, name in (TEMPLATES | (PROXY_TEMPLATES if settings.domain else {})).items():
        try:
            text = environment.get_template(f"{name}.j2").render(values)
        except TemplateError as error:
            line = f" line {error.lineno}" if isinstance(error, TemplateSyntaxError) else ""
            raise ValueError(f"templates/{name}.j2{line} cannot be rendered: {error}.") from error
        files.append(File(path, text.encode()))
    return tuple(files)


def request_guard(settings: Settings) -> dict[str, object]:
    """Return what the webserver's guard is told, by the names of its ``Rules``."""
    return {"max_request_size": size_in_bytes(settings.max_request_size), "api_docs": settings.api_docs}


def build(settings: Settings, placement: Placement, root: Path = ROOT) -> Release:
    """Put a release together: project, image sources and rendered configuration.

    Raises ``ValueError``, a sentence a line, where the project or a template is not as it must be.
    """
    found = checkout.chosen(settings, root)
    lock = content.read(root, found.lock, LOCK)
    project, requirements = found.read(lock.content.decode())
    sources = (*image_sources(root), lock, *requirements)
    if settings.image_source == "registry" and settings.airflow_image:
        tag = content.pulled_tag(settings.airflow_image)
    else:
        tag = content.image_tag(sources, placement.python_image)
    image = f"{IMAGE}:{tag}"
    files = (*project, *sources, *render(settings, placement, image, root))
    return Release(content.identity(files), image, files)
