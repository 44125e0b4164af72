"""Which checkout is deployed: this repository's own project, or the one that ``project_path`` names. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from deploy.release import content, requirements, uv_lock
from deploy.release.content import File, shown
from deploy.settings import Settings

# What of this repository makes up the flights project; the deploy tool's own code is no part of it.
OWN_PATHS = ("src", "dags", "dvc.yaml", "dvc.lock", "params.yaml", ".dvc", ".dvcignore")
OWN_REQUIRED = ("src", "dags", "dvc.yaml")
REQUIREMENTS = "requirements.txt"
# Where a release has what is the deploy's own.
RESERVED = "airflow"
# What the image is installed from: with what the flights project imports, and for any other project.
OWN_LOCK, AIRFLOW_LOCK = "requirements/image.txt", "requirements/airflow.txt"
# What git has in the place of a file that is kept in git LFS.
LFS_POINTER = b"version https://git-lfs.github.com/spec/v1"
# Bytes from which a project is large: each release is a copy of it, and so is the image.
LARGE = 100_000_000


@dataclass(frozen=True)
class Project:
    """What of a checkout is deployed."""

    files: tuple[File, ...]
    sources: tuple[File, ...] = ()
    """What the image is installed from beside the lock."""
    notes: tuple[str, ...] = ()
    """What the user should know of it, a line each."""


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
        sources, problems = ((), ()) if self.own else self._requirements(files, airflow)
        if problems := (*self._problems(files), *problems):
            raise ValueError("\n".join(problems))
        return Project(files, sources, tuple(self._notes(files, len(tracked) - len(files))))

    @property
    def _folders(self) -> tuple[str, ...]:
        """The directories that settings name."""
        return self.settings.dags_path, *self.settings.python_path

    def _is_left_out(self, file: File) -> bool:
        """Whether a file is where the stack has its own, and in no directory that a setting names."""
        return file.path.split("/")[0] == RESERVED and not any(file.path.startswith(f"{one}/") for one in self._folders)

    def _problems(self, files: tuple[File, ...]) -> Iterator[str]:
        lacking = content.missing(files, OWN_REQUIRED) if self.own else []
        if self.own and self.settings.project_environment != "shared":
            yield 'setting "project_environment" requires project_path, whose requirements it is about.'
        if lacking:
            yield (
                f"{self.root} has no {' or '.join(lacking)} tracked by git; a project needs {', '.join(OWN_REQUIRED)}."
            )
        empty = {one for one in self._folders if not any(file.path.startswith(f"{one}/") for file in files)}
        dags = self.settings.dags_path
        if dags in empty.difference(lacking):
            yield f"{self.root} has no file in {dags}/ tracked by git; dags_path names the directory with the DAGs."
        for one in sorted(empty - {dags}):
            yield f'setting "python_path" names {one}, and git tracks no file in it in {self.root}.'
        if pointers := [self.root / file.path for file in files if _is_pointer(file)]:
            more = f" and {len(pointers) - 1} more" if pointers[1:] else ""
            kind = (
                "are git LFS pointers, not the files themselves"
                if more
                else "is a git LFS pointer, not the file itself"
            )
            yield f"{shown(pointers[0])}{more} {kind}; git lfs pull fetches {'them' if more else 'it'}."

    def _notes(self, files: tuple[File, ...], left_out: int) -> Iterator[str]:
        if left_out:
            count = "1 file" if left_out == 1 else f"{left_out} files"
            kept = [one for one in self._folders if one.startswith(f"{RESERVED}/")]
            more = f"only {' and '.join(kept)} is kept" if kept else "DAGs in it need the setting dags_path"
            yield f"Left out the project's {RESERVED}/ ({count}), where the stack has its own; {more}"
        size = sum(len(file.content) for file in files)
        if size > LARGE:
            largest = max(files, key=lambda file: len(file.content))
            yield (
                f"The project has {size / 1e6:.0f} MB in git, most in {shown(largest.path)} "
                f"({len(largest.content) / 1e6:.0f} MB), and each release and the image have a copy; "
                "keep data out of git, for example with DVC: see docs/projects.md"
            )

    def _requirements(self, files: tuple[File, ...], airflow: str) -> tuple[tuple[File, ...], tuple[str, ...]]:
        """Return what the build installs the project's requirements from, and what is wrong with them."""
        contents = {file.path: file.content for file in files if not file.is_link}

        def text(path: str) -> str | None:
            # Some editors begin a file with a mark of its encoding.
            return contents[path].decode("utf-8-sig", errors="replace") if path in contents else None

        name = REQUIREMENTS
        if name not in contents and any(file.path == name for file in files):
            return (), (f"{self.root / name} is a symbolic link; make it a file.",)
        if name not in contents and not {uv_lock.PROJECT, uv_lock.LOCK} <= contents.keys():
            lacking = f"has no {name}, and no {uv_lock.PROJECT} with {uv_lock.LOCK}, tracked by git"
            return (), (f"{self.root} {lacking}; a project needs one of them, and {name} may be empty.",)
        beside = airflow if self.settings.project_environment == "shared" else ""
        if name in contents:
            found = requirements.collect(name, text, beside)
        else:
            name = uv_lock.LOCK
            try:
                exported = uv_lock.export(contents[uv_lock.PROJECT], contents[name])
            except ValueError as error:
                return (), (f"{self.root / name} {error}",)
            # Its lines are not those of uv.lock.
            found = requirements.collect(name, {name: exported}.get, beside, numbered=False)
        listed = {self.settings.project_environment: found.wanted, "constraints": found.constraints}
        made = tuple(
            File(f"airflow/project-{kind}.txt", "".join(f"{line}\n" for line in lines).encode())
            for kind, lines in listed.items()
            if lines or kind != "constraints"
        )
        return made, tuple(f"{self.root / problem}" for problem in found.problems)


def _is_pointer(file: File) -> bool:
    return file.content.startswith(LFS_POINTER) and not file.is_link


def chosen(settings: Settings, own: Path) -> Checkout:
    """Return the checkout that the settings name; by default ``own``, this repository's."""
    root = Path(settings.project_path).expanduser().resolve() if settings.project_path else own
    return Checkout(root, settings, own=root == own)
