"""Write the smallest project that deploys, as a git checkout: python -m deploy.new_project ../churn."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from deploy.core import template
from deploy.core.paths import ROOT

TEMPLATES = "new_project"
NAME = re.compile(r"[a-z][a-z0-9_]*")


def create(target: Path) -> list[Path]:
    """Write the project into a new or empty directory, and tell git of it; return its files.

    The directory's name becomes that of the DAG. Raises ``ValueError``, a sentence, where it cannot be.
    """
    target = target.expanduser().resolve()
    name = target.name.replace("-", "_")
    if not NAME.fullmatch(name):
        raise ValueError(f"{target.name} cannot name a project; use small letters, digits, - and _, such as churn.")
    if target.is_relative_to(ROOT):
        raise ValueError(f"{target} is inside this checkout; name a directory beside it, such as ../{target.name}.")
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ValueError(f"{target} exists and is not empty; name another directory.")
    values = {"dag": name, "tool": os.path.relpath(ROOT, target), "project": os.path.relpath(target, ROOT)}
    files = []
    folder = ROOT / "templates" / TEMPLATES
    for source in sorted(path for path in folder.rglob("*.j2")):
        inside = str(source.relative_to(folder)).removesuffix(".j2")
        path = target / inside.replace("NAME", name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(template.text(f"{TEMPLATES}/{inside}", **values))
        files.append(path)
    for command in (["init", "--quiet"], ["add", "--all"]):
        subprocess.run(["git", "-C", target, *command], check=True)  # noqa: S603, S607 - the user's git
    return files


def main() -> None:
    """Create the project that is named on the command line, and say what to do next."""
    named = "".join(sys.argv[1:2])
    if not named:
        sys.exit("Name the directory of the new project: make new PROJECT=../churn")
    target = Path(named)
    try:
        files = create(target)
    except ValueError as error:
        sys.exit(f"error: {error}")
    sys.stdout.write(
        f"Created {target} with {len(files)} files; its README.md says how to test it. To deploy it:\n\n"
        f"    pyinfra {target}/inventory.py deploy.py\n"
    )


if __name__ == "__main__":
    main()
