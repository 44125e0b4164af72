"""Start a project: write the smallest one that deploys, from templates/new_project, on the control node.

python -m deploy.new_project PATH
"""

from __future__ import annotations

import keyword
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from deploy.core import template
from deploy.core.paths import ROOT

TEMPLATES = ROOT / "templates" / "new_project"
# In the path of a template, what the project's own name replaces.
NAME = "NAME"


def dag_name(directory: str) -> str:
    """Return the name of the DAG, and of the function that makes it, for a project's directory.

    Raises ``ValueError``, one sentence, if the directory's name gives none.
    """
    name = directory.lower().replace("-", "_")
    if not (name.isascii() and name.isidentifier()) or keyword.iskeyword(name):
        raise ValueError(
            f"{directory!r} cannot name a DAG; choose a directory name of letters, digits, - and _, such as churn."
        )
    return name


def render(root: Path, tool: Path = ROOT) -> dict[str, str]:
    """Return the text of each file of a new project at ``root``, deployed from the checkout ``tool``, by its path.

    Raises ``ValueError``, one sentence, if the directory's name does not fit.
    """
    name = dag_name(root.name)
    from_project = os.path.relpath(tool, root)
    values = {
        "name": name,
        "title": root.name,
        "tool": from_project,
        "tool_from_tests": os.path.relpath(tool, root / "tests"),
        "quoted_tool": shlex.quote(from_project),
        "quoted_project": shlex.quote(os.path.relpath(root, tool)),
    }
    environment = template.environment(TEMPLATES)
    return {
        path.removesuffix(".j2").replace(NAME, name): environment.get_template(path).render(values)
        for path in environment.list_templates(extensions=["j2"])
    }


def commands(readme: str) -> list[str]:
    """Return the commands that a README tells the user to type."""
    return [line.strip() for line in readme.splitlines() if line.startswith("    ")]


def create(root: Path) -> dict[str, str]:
    """Write a new project at ``root``, an absolute path, and have git track it; return what ``render`` does.

    It becomes a git repository of its own, unless it is inside one. Raises ``ValueError``, one sentence,
    and changes nothing, if the path is in use or does not fit.
    """
    files = render(root)
    if shutil.which("git") is None:
        raise ValueError("git, which tells a deploy what belongs to a project, is not installed here; install it.")
    try:
        if root.exists() and (not root.is_dir() or any(root.iterdir())):
            raise ValueError(f"{root} exists and is not an empty directory; choose another path.")
        if root.is_relative_to(ROOT):
            raise ValueError(f"{root} is inside the checkout {ROOT}; choose a path beside it, such as ../{root.name}.")
        for path, text in files.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text)
    except OSError as error:
        raise ValueError(f"{root} cannot be written ({error.strerror}); choose another path.") from error
    if _git(root, "rev-parse", "--is-inside-work-tree").returncode:
        _git(root, "init", "--quiet")
    added = _git(root, "add", "--all", ".")
    if added.returncode:
        reason = (added.stderr.strip() or "it gave no reason").splitlines()[0]
        raise ValueError(f"git cannot track {root} ({reason}); correct that, then run git add --all there.")
    return files


def _git(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["git", "-C", str(root), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - a fixed command


def main(arguments: list[str]) -> str:
    """Create the project at the path that is given; return what to say, or raise ``SystemExit`` with an error."""
    if len(arguments) != 1 or not arguments[0]:
        raise SystemExit("Name the directory of the new project: make new PROJECT=../churn")
    root = Path(arguments[0]).expanduser().resolve()
    try:
        files = create(root)
    except ValueError as error:
        raise SystemExit(str(error)) from error
    steps = [f"cd {shlex.quote(str(root))}", *commands(files["README.md"])]
    return "\n".join([f"Created {root}: {len(files)} files, tracked by git. Next:", *(f"    {step}" for step in steps)])


if __name__ == "__main__":
    print(main(sys.argv[1:]))  # noqa: T201 - a command that says what it did
