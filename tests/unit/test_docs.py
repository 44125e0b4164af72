"""The documentation says what there is, all of it, and nothing that is not."""  # noqa: INP001 - no package: it would take `deploy` below it along, under the name of the real one

import ast
import json
import re
from itertools import pairwise
from pathlib import Path

import pytest

from deploy.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])


def step_docstrings() -> dict[str, str]:
    """Return the first paragraph of each step's docstring, by the name the step has as a command."""
    found = {}
    for path in sorted((ROOT / "deploy").glob("*.py")):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.FunctionDef) and any(
                ast.unparse(mark).startswith("deploy(") for mark in node.decorator_list
            ):
                paragraph = (ast.get_docstring(node) or "").split("\n\n")[0]
                found[f"deploy.{path.stem}.{node.name}"] = " ".join(paragraph.split())
    return found


def setting_docstrings() -> dict[str, str]:
    """Return the text below each field of ``Settings``, by the field's name."""
    tree = ast.parse((ROOT / "deploy/settings.py").read_text())
    body = next(node.body for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "Settings")
    return {
        field.target.id: text.value.value
        for field, text in pairwise(body)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(text, ast.Expr)
        and isinstance(text.value, ast.Constant)
        and isinstance(text.value.value, str)
    }


STEPS = step_docstrings()
SETTINGS = setting_docstrings()


def rows(page: str) -> list[str]:
    """Return the lines of a page's tables that begin with something in backquotes."""
    lines = (ROOT / "docs" / page).read_text().splitlines()
    return [line for line in lines if line.startswith("| `")]


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_is_documented(name: str) -> None:
    """With its default and its meaning as the code has them; what is missing is the line that is shown."""
    field = Settings.model_fields[name]
    line = f"| `{name}` | `{json.dumps(field.default)}` | {SETTINGS[name]} |"
    assert line in rows("settings.md"), f"docs/settings.md lacks:\n{line}"


def test_no_setting_is_documented_that_is_gone() -> None:
    """Each once, in the order of the code."""
    assert [row.split("`")[1] for row in rows("settings.md")] == list(Settings.model_fields)


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_says_what_it_means(name: str) -> None:
    """A sentence, with its unit where it is a time."""
    assert SETTINGS[name].endswith(".")
    if name.endswith(("_timeout", "_interval")):
        assert "in seconds" in SETTINGS[name]


@pytest.mark.parametrize("name", STEPS)
def test_every_step_is_documented(name: str) -> None:
    """Each is a command, with what its docstring promises; what is missing is the line that is shown."""
    line = f"| `{name}` | {STEPS[name]} |"
    assert line in rows("steps.md"), f"docs/steps.md lacks:\n{line}"


def test_no_step_is_documented_that_is_gone() -> None:
    """Each once."""
    assert sorted(row.split("`")[1] for row in rows("steps.md")) == sorted(STEPS)


def test_steps_are_in_the_order_they_are_run() -> None:
    """The page reads as deploy.py does; steps that are commands alone come after."""
    body = ast.parse((ROOT / "deploy.py").read_text()).body
    run = [f"deploy.{ast.unparse(node).removesuffix('()')}" for node in body[2:]]
    assert [row.split("`")[1] for row in rows("steps.md")][: len(run)] == run


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    """A relative link names a file that is there, and a heading that is in it."""
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    for target, heading in re.findall(r"\]\((?![a-z]+:)([^)#\s]*)(?:#([^)\s]*))?[^)]*\)", text):
        path = (page.parent / target) if target else page
        assert path.exists(), f"{target} is not there"
        if heading:
            headings = re.findall(r"^#+ (.+)$", path.read_text(), flags=re.MULTILINE)
            anchors = {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in headings}
            assert heading in anchors, f"{target or page.name} has no heading #{heading}"
