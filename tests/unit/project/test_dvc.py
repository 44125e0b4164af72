"""What dvc.yaml says the stages depend on."""

import ast
from pathlib import Path

import pytest
import yaml

from .conftest import ROOT


def imported(path: Path) -> set[str]:
    """Return the files of src/ that a file of it imports, and those that these import."""
    found = {str(path.relative_to(ROOT))}
    for node in ast.walk(ast.parse(path.read_text())):
        names = [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
        if isinstance(node, ast.ImportFrom):
            names += [f"{node.module}.{alias.name}" for alias in node.names]
        for name in names:
            module = ROOT / f"{name.replace('.', '/')}.py"
            if module.is_file() and module != path:
                found |= imported(module)
    return found


@pytest.mark.parametrize("stage", ["generate", "split", "bronze", "silver", "gold", "training"])
def test_a_stage_depends_on_all_that_it_imports(stage: str) -> None:
    """An edit of any of it makes DVC run the stage again; what it does not use, does not."""
    described = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"][stage]
    script = next(word for word in described["cmd"].split() if word.endswith(".py"))
    sources = {dep for dep in described["deps"] if dep.startswith("src/")}
    listed = {
        str(path.relative_to(ROOT))
        for dep in sources
        for path in ([ROOT / dep] if dep.endswith(".py") else (ROOT / dep).rglob("*.py"))
    }
    listed -= {str(path.relative_to(ROOT)) for path in ROOT.glob("src/*/__init__.py")}
    assert listed == imported(ROOT / script)
