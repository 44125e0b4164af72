"""Which checkout is deployed: this repository's own project, or the one that ``project_path`` names. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from deploy.release import content, requirements, uv_lock
from deploy.release.content import File
from deploy.settings import Settings

# What of this repository makes up the flights project; the deploy tool's own code is no part of it.
OWN_PATHS = ("src", "dags", "dvc.yaml", "dvc.lock", "params.yaml", ".dvc", ".dvcignore")
OWN_REQUIRED = ("src", "dvc.yaml")
REQUIREMENTS = "requirements.txt"
# Where a release has what is the deploy's own.
RESERVED = "airflow"
# What the image is installed from: with what the flights project imports, and for any other project.
OWN_LOCK, AIRFLOW_LOCK = "requirements/image.txt", "requirements/airflow.txt"
LFS_POINTER = b"version https://git-lfs.github.com/spec/"
# Bytes from which a project is large: each release is a copy of it, and so is the image.
LARGE = 100 * 1000 * 1000


@dataclass(frozen=True)
class Project:
    """What of a checkout is deployed."""

    files: tuple[File, ...]
    requirements: tuple[File, ...] = ()
    """What the image is installed from beside the lock."""
    notes: tuple[str, ...] = ()
    """What a user should know of it, a sentence each."""


@dataclass(frozen=True)
class Checkout:
    """A checkout, and what of it is the project."""

    root: Path
    settings: Settings
    own: bool
    """Whether it is this repository, whose requirements are locked together with Airflow's."""

    @property
    def lock(self) -> str:
        """The lock file of this repository that the image is installed from."""
        return OWN_LOCK if self.own else AIRFLOW_LOCK

    def read(self, airflow: str) -> Project:
        """Return the project. ``airflow`` is the text of the lock.

        Raises ``ValueError`` with a line for each thing that is wrong.
        """
        if not self.root.is_dir():
            raise ValueError(f'setting "project_path" names {self.root}, which is not a directory on the control node.')
        tracked = content.tracked_files(self.root, *(OWN_PATHS if self.own else (".",)))
        files = tuple(file for file in tracked if not self._is_left_out(file))
        found, problems = self._requirements(files, airflow)
        if problems := [*self._problems(files), *problems]:
            raise ValueError("\n".join(problems))
        return Project(files, found, tuple(self._notes(tracked, files)))

    def _is_left_out(self, file: File) -> bool:
        dags = f"{self.settings.dags_path}/"
        return file.path.startswith(f"{RESERVED}/") and not file.path.startswith(dags)

    def _problems(self, files: tuple[File, ...]) -> Iterator[str]:
        if self.own and self.settings.project_environment != "shared":
            yield 'setting "project_environment" requires project_path, whose requirements it is about.'
        needed = [*(OWN_REQUIRED if self.own else ()), self.settings.dags_path, *self.settings.python_path]
        if lacking := content.missing(files, needed):
            other = "" if self.settings.dags_path not in lacking else "; the setting dags_path names another place"
            yield f"{self.root} has no {' or '.join(lacking)} tracked by git{other}."
        if pointers := [file.path for file in files if file.content.startswith(LFS_POINTER)]:
            more = (
                f" and {len(pointers) - 1} more files are git LFS pointers" if pointers[1:] else " is a git LFS pointer"
            )
            yield f"{self.root / pointers[0]}{more}, without the content; run git lfs pull there."

    def _notes(self, tracked: tuple[File, ...], files: tuple[File, ...]) -> Iterator[str]:
        if left_out := len(tracked) - len(files):
            count = f"{left_out} file{'' if left_out == 1 else 's'}"
            yield f"Left out the project's own {RESERVED}/ ({count}), where the stack has its configuration"
        size = sum(len(file.content) for file in files)
        if size >= LARGE:
            largest = max(files, key=lambda file: len(file.content))
            share = f"{len(largest.content) / 1e6:.0f}"
            yield (
                f"The project has {size / 1e6:.0f} MB in git, of which {largest.path} has {share}; each release and "
                "the image are copies of it: keep data out of git, for example with DVC"
            )

    def _requirements(self, files: tuple[File, ...], airflow: str) -> tuple[tuple[File, ...], list[str]]:
        """Return the files that the image's build installs the project's requirements from, and what is wrong."""
        if self.own:
            return (), []
        texts = {file.path: file.content.decode(errors="replace") for file in files if not file.is_link}
        name = REQUIREMENTS
        if name not in texts:
            if not set(uv_lock.NAMES) <= texts.keys():
                return (), [f"{self.root / name} {self._lack(files)}"]
            name = "uv.lock"
            try:
                texts[name] = uv_lock.requirements(self.root)
            except ValueError as error:
                return (), [str(error)]
        beside = airflow if self.settings.project_environment == "shared" else ""
        found = requirements.collect(name, texts.get, beside)
        lines = {f"project-{self.settings.project_environment}": found.wanted}
        if found.constraints:
            lines["project-constraints"] = found.constraints
        made = [
            File(f"airflow/{stem}.txt", "".join(f"{line}\n" for line in text).encode()) for stem, text in lines.items()
        ]
        return tuple(made), [f"{self.root}/{problem}" for problem in found.problems]

    @staticmethod
    def _lack(files: tuple[File, ...]) -> str:
        if any(file.path == REQUIREMENTS for file in files):
            return "is a symbolic link; make it a file."
        return "is not tracked by git; a project needs it, be it empty, or pyproject.toml and uv.lock."


def chosen(settings: Settings, own: Path) -> Checkout:
    """Return the checkout that the settings name; by default ``own``, this repository's."""
    root = Path(settings.project_path).expanduser().resolve() if settings.project_path else own
    return Checkout(root, settings, own=root == own)
