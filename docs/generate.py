"""Write the tables of docs/settings.md and docs/steps.md from the code; with --check, only say which are out of date.

python docs/generate.py [--check]
"""

from __future__ import annotations

import ast
import json
import re
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DEPLOY = ROOT / "deploy"
sys.path.insert(0, str(ROOT))

from deploy.settings import Settings  # noqa: E402 - found by the path above


def settings() -> Iterator[str]:
    """Yield a row for each setting, in the order of the code: its default as JSON, and the text below its field."""
    tree = ast.parse((DEPLOY / "settings.py").read_text())
    (body,) = (node.body for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "Settings")
    yield from ("| setting | default | meaning |", "|---|---|---|")
    for field, text in pairwise(body):
        if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant):
            name = ast.unparse(field.target)
            default = json.dumps(Settings.model_fields[name].default)
            yield f"| `{name}` | `{default}` | {text.value.value!s} |"


def docstrings() -> dict[str, str]:
    """Return the first paragraph of each step's docstring, by the name the step has as a command."""
    found = {}
    for path in sorted(DEPLOY.rglob("*.py")):
        if path.parent.name == "core":  # whose steps are no commands of their own
            continue
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.FunctionDef) and any(
                ast.unparse(mark).startswith("deploy(") for mark in node.decorator_list
            ):
                paragraph = (ast.get_docstring(node) or "").split("\n\n")[0]
                found[f"{module}.{node.name}"] = " ".join(paragraph.replace("``", "`").split())
    return found


def steps() -> Iterator[str]:
    """Yield a row for each step: those of deploy.py in its order, then those that are only commands."""
    found = docstrings()
    calls = re.findall(r"^([a-z_]+\.[a-z_]+)\(\)$", (ROOT / "deploy.py").read_text(), re.MULTILINE)
    order = [name for call in calls if (name := f"deploy.{call}") in found]
    yield from ("| step | what it does |", "|---|---|")
    for name in (*order, *sorted(found.keys() - set(order))):
        yield f"| `{name}` | {found[name]} |"


def main() -> int:
    """Write the pages, or check them; return the exit code."""
    stale = []
    for name, rows in (("settings.md", settings()), ("steps.md", steps())):
        page = ROOT / "docs" / name
        text = page.read_text()
        # The table is the lines that begin with a bar.
        before, _, after = re.split(r"((?:^\|.*\n)+)", text, maxsplit=1, flags=re.MULTILINE)
        wanted = before + "".join(f"{row}\n" for row in rows) + after
        if wanted != text:
            stale.append(f"docs/{name}")
            if "--check" not in sys.argv:
                page.write_text(wanted)
    for name in stale:
        print(f"{name} is out of date: run make docs" if "--check" in sys.argv else f"wrote {name}")
    return int("--check" in sys.argv and bool(stale))


if __name__ == "__main__":
    sys.exit(main())
