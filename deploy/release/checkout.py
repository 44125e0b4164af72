"""Which checkout is deployed: this repository's own project, or the one that ``project_path`` names. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from deploy.release import content, requirements
from deploy.release.content import File
from deploy.settings import Settings

# What of this repository makes up the flights project; the deploy tool's own code is no part of it.
OWN_PATHS = ("src", "dags", "dvc.yaml", "dvc.lock", "params.yaml", ".dvc", ".dvcignore")
OWN_REQUIRED = ("src", "dags", "dvc.yaml")
REQUIREMENTS = "requirements.txt"
REQUIRED = ("src", "dags", REQUIREMENTS)
# Where a release has what is the deploy's own.
RESERVED = "airflow"
# What the image is installed from: with what the flights project imports, and for any other project.
OWN_LOCK, AIRFLOW_LOCK = "requirements/image.txt", "requirements/airflow.txt"


@dataclass(frozen=True)
class Checkout:
    """A checkout, and what of it is the project."""

    root: Path
    paths: tuple[str, ...]
    required: tuple[str, ...]
    environment: str
    """Which environment of the image has the project's requirements, as the setting says it."""
    own: bool
    """Whether it is this repository, whose requirements are locked together with Airflow's."""

    @property
    def lock(self) -> str:
        """The lock file of this repository that the image is installed from."""
        return OWN_LOCK if self.own else AIRFLOW_LOCK

    def read(self, airflow: str) -> tuple[tuple[File, ...], tuple[File, ...]]:
        """Return the project's files, and what the image is installed from beside the lock.

        ``airflow`` is the text of that lock. Raises ``ValueError`` with a line for each thing that is wrong.
        """
        if not self.root.is_dir():
            raise ValueError(f'setting "project_path" names {self.root}, which is not a directory on the control node.')
        files = content.tracked_files(self.root, *self.paths)
        listed = next((file for file in files if file.path == REQUIREMENTS and not self.own), None)
        if problems := [*self._problems(files), *self._requirement_problems(listed, airflow)]:
            raise ValueError("\n".join(problems))
        if listed is None:
            return files, ()
        return files, (replace(listed, path=f"airflow/project-{self.environment}.txt", executable=False),)

    def _problems(self, files: tuple[File, ...]) -> Iterator[str]:
        if self.own and self.environment != "shared":
            yield 'setting "project_environment" requires project_path, whose requirements it is about.'
        if lacking := content.missing(files, self.required):
            yield (
                f"{self.root} has no {' or '.join(lacking)} tracked by git; a project needs {', '.join(self.required)}."
            )
        if taken := [file.path for file in files if file.path.split("/")[0] == RESERVED]:
            yield f"{self.root / taken[0]} conflicts with the stack's own {RESERVED}/; rename it."

    def _requirement_problems(self, listed: File | None, airflow: str) -> Iterator[str]:
        if listed is None:
            return
        if listed.is_link:
            yield f"{self.root / REQUIREMENTS} is a symbolic link; make it a file."
            return
        beside = airflow if self.environment == "shared" else ""
        for problem in requirements.problems(listed.content.decode(errors="replace"), beside):
            yield f"{self.root / REQUIREMENTS}, {problem}"


def chosen(settings: Settings, own: Path) -> Checkout:
    """Return the checkout that the settings name; by default ``own``, this repository's."""
    root = Path(settings.project_path).expanduser().resolve() if settings.project_path else own
    if root == own:
        return Checkout(root, OWN_PATHS, OWN_REQUIRED, settings.project_environment, own=True)
    return Checkout(root, (".",), REQUIRED, settings.project_environment, own=False)
