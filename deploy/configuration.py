"""What a release holds beside the project: the image's sources, the compose file and its .env.

Pure: from settings and the few facts of a host that the templates need, to files.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from jinja2 import TemplateError, TemplateSyntaxError

from deploy import checkout, release, template
from deploy.release import File
from deploy.settings import Settings

ROOT = Path(__file__).parents[1]
# Where things are on the target; files/, the scripts and the documentation name the same places.
PROJECT_ROOT = "/opt/flights-mlops"
STATE_ROOT = "/var/lib/flights-mlops"
CONFIGURATION_ROOT = "/etc/flights-mlops"
IMAGE = "flights-mlops-airflow"
# MiB that the host and the other services keep: idle, they take about half of it.
OTHERS_MEMORY = 1536

TEMPLATES = ("airflow/docker-compose.yaml", "airflow/.env", "airflow/dvc.config")
# Only with a domain.
PROXY_TEMPLATE = "airflow/Caddyfile"
# What Caddy alone can read: a certificate that was given, and those that it has asked for or made.
CERTIFICATE_DIRECTORY = f"{CONFIGURATION_ROOT}/tls"
CADDY_DIRECTORY = f"{STATE_ROOT}/caddy"
# Beside the 50000 that Airflow's image uses: a user of no other service.
CADDY_UID = 50001
# What the image is built from, by its path in a release, and where that is in this repository.
IMAGE_SOURCES = {
    "airflow/check-dags": "files/airflow/check-dags",
    "airflow/Dockerfile": "files/airflow/Dockerfile",
    "airflow/Dockerfile.dockerignore": "files/airflow/Dockerfile.dockerignore",
    "airflow/healthcheck": "files/airflow/healthcheck",
    "airflow/initialise": "files/airflow/initialise",
    "airflow/installer.txt": "requirements/installer.txt",
    "airflow/release_bundle.py": "files/airflow/release_bundle.py",
    "airflow/set-password": "files/airflow/set-password",
    "airflow/workspace": "files/airflow/workspace",
}
LOCK = "airflow/requirements.txt"


@dataclass(frozen=True)
class Placement:
    """What the templates have to know of the host a release goes to."""

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
        text = {file.path: file.content.decode() for file in self.files if file.path in TEMPLATES}
        return text[TEMPLATES[0]], text[TEMPLATES[1]]


def image_sources(root: Path = ROOT) -> tuple[File, ...]:
    """Return the files that the Airflow image of any project is built from, its locks excepted."""
    return tuple(release.read(root, source, name) for name, source in IMAGE_SOURCES.items())


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
        "project_root": PROJECT_ROOT,
        "state_root": STATE_ROOT,
        "configuration_root": CONFIGURATION_ROOT,
        "certificate_directory": CERTIFICATE_DIRECTORY,
        "caddy_directory": CADDY_DIRECTORY,
        "caddy_uid": CADDY_UID,
    }
    files = []
    for name in (*TEMPLATES, PROXY_TEMPLATE) if settings.domain else TEMPLATES:
        try:
            text = environment.get_template(f"{name}.j2").render(values)
        except TemplateError as error:
            line = f" line {error.lineno}" if isinstance(error, TemplateSyntaxError) else ""
            raise ValueError(f"templates/{name}.j2{line} cannot be rendered: {error}.") from error
        files.append(File(name, text.encode()))
    return tuple(files)


def build(settings: Settings, placement: Placement, root: Path = ROOT) -> Release:
    """Put a release together: project, image sources and rendered configuration.

    Raises ``ValueError``, a sentence a line, where the project or a template is not as it must be.
    """
    found = checkout.chosen(settings, root)
    lock = release.read(root, found.lock, LOCK)
    project, requirements = found.read(lock.content.decode())
    sources = (*image_sources(root), lock, *requirements)
    if settings.image_source == "registry" and settings.airflow_image:
        tag = release.pulled_tag(settings.airflow_image)
    else:
        tag = release.image_tag(sources, placement.python_image)
    image = f"{IMAGE}:{tag}"
    files = (*project, *sources, *render(settings, placement, image, root))
    return Release(release.identity(files), image, files)
