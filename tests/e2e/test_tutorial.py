"""The tutorial of docs/projects.md, word for word."""

import json
import os
import re
import subprocess
from pathlib import Path

from .caches import pip_index
from .checkout import Checkout
from .command import ROOT
from .localhost import Localhost

PAGE = (ROOT / "docs/projects.md").read_text()


def test_the_tutorial_ends_with_a_run(localhost: Localhost, tmp_path: Path) -> None:
    """What it says to type is typed into one shell, and the last answer is the one it shows."""
    _, _, rest = PAGE.partition("## A tutorial\n")
    tutorial = rest.partition("\n## ")[0]
    commands = re.findall(r"^```sh\n(.*?)^```$", tutorial, re.MULTILINE | re.DOTALL)
    (shown,) = re.findall(r"^```json\n(.*?)^```$", tutorial, re.MULTILINE | re.DOTALL)
    checkout = Checkout(tmp_path / "flights-mlops")
    (checkout.path / ".venv").symlink_to(ROOT / ".venv")
    for path in (checkout.path / "requirements").iterdir():
        os.utime(path, (0, 0))  # make installs nothing into what is shared
    index = {"UV_DEFAULT_INDEX": pip_index()} if pip_index() else {}
    try:
        done = subprocess.run(
            ["bash", "-euxo", "pipefail", "-c", "".join(commands)],
            cwd=checkout.path, env=os.environ | index, capture_output=True, text=True, check=False, timeout=1200,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        assert "Traceback" not in done.stdout + done.stderr
        assert ", 1 DAG, " in done.stderr
        assert json.loads(done.stdout[done.stdout.rindex("{") :]) == json.loads(shown)
        # The same commands as the project's own README, from another directory.
        own = (checkout.path.parent / "churn/README.md").read_text()
        assert all(command in own for command in re.findall(r"^\(cd \S+ && (.+)\)$", tutorial, re.MULTILINE)), own
    finally:
        localhost.as_deployed()
