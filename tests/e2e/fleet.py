"""Several machines in one inventory, and one run of pyinfra over them."""

import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .command import ROOT, Finished
from .host import PYINFRA
from .times import RUNS, noted


def write(folder: Path, **groups: list[tuple[str, dict[str, Any]]]) -> Path:
    """Write an inventory with these groups."""
    folder.mkdir(parents=True, exist_ok=True)
    inventory = folder / "fleet.py"
    inventory.write_text("".join(f"{name} = {hosts!r}\n" for name, hosts in groups.items()))
    return inventory


@noted(RUNS)
def pyinfra(inventory: Path, *arguments: str, password: str = "", env: Mapping[str, str] | None = None) -> Finished:
    """Type `pyinfra -y INVENTORY …` where there is no terminal; a password comes on standard input."""
    asked = ["--same-sudo-password"] if password else []
    return subprocess.run(
        [PYINFRA, "-y", *asked, inventory, *arguments],
        cwd=ROOT,
        env=os.environ | (env or {}),
        input=f"{password}\n",
        start_new_session=True,  # else the password is asked for at the terminal the tests are run from
        capture_output=True,
        text=True,
        check=False,
        timeout=3600,
    )


def outcomes(done: Finished) -> dict[str, str]:
    """Return what the end of a run says of each host, without the times; nobody is shown a traceback."""
    said = done.stdout + done.stderr
    assert "traceback" not in said.lower(), said
    _, _, end = said.partition("--> Hosts:\n")
    lines = [line for line in end.split("\n\n")[0].splitlines() if line.startswith("    ")]
    return {name: re.sub(r"\d+\.\d s", "N s", clause) for name, clause in (line.split(maxsplit=1) for line in lines)}
