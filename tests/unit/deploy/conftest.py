"""What the tests of the deploy tool share: temporary checkouts of a small project."""  # noqa: INP001 - a package of the name `deploy` would hide the real one

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pyinfra.api import Config, Host, Inventory, State
from pyinfra.context import ctx_host

PROJECT = {
    "src/__init__.py": "",
    "src/pipelines/bronze.py": "print('bronze')\n",
    "dags/flights.py": "import src\n",
    "dvc.yaml": "stages: {}\n",
    "README.md": "# A project\n",
}


def git(root: Path, *arguments: str) -> None:
    """Run git in ``root``, with a name to commit under."""
    who = ("-c", "user.name=Test", "-c", "user.email=test@localhost")
    subprocess.run(["git", "-C", root, *who, *arguments], check=True, capture_output=True)


@pytest.fixture
def checkout(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that makes a real checkout of the small project, changed as its arguments say.

    A keyword is a path of the project, and its value the text that is committed there.
    """
    made = 0

    def make(**changed: str) -> Path:
        nonlocal made
        made += 1
        root = tmp_path / f"checkout-{made}"
        for name, text in (PROJECT | changed).items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        git(root, "init", "--quiet")
        git(root, "add", "--all")
        git(root, "commit", "--quiet", "--message", "A project")
        return root

    return make


@pytest.fixture
def local() -> Iterator[Host]:
    """Have this machine as the host in context, as pyinfra has it while it prepares a step."""
    inventory = Inventory((["@local"], {}))
    State(inventory, Config())
    host = inventory.get_host("@local")
    with ctx_host.use(host):
        yield host
