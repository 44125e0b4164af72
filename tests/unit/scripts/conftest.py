"""Where scripts with fixed paths and ports run for real and touch nothing: namespaces of the kernel."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from deploy import script

Script = Callable[..., "subprocess.CompletedProcess[str]"]

# Binds each $1 on $2 up to a "--", then runs what follows. The engine's socket and the lock are under /run.
BIND = "mount -t tmpfs none /run || exit 125; "
BIND += 'while [ "$1" != -- ]; do mount --bind "$1" "$2" || exit 125; shift 2; done; shift; exec "$@"'


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """Return the root of a machine that has nothing yet: its /etc, /opt and /var/lib."""
    if os.geteuid() != 0:
        pytest.skip("only root may give files to another user")
    if subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False).returncode:
        pytest.skip("no mount namespace can be made here")
    for name in ("etc", "opt", "var/lib"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/bash\n")
    (tmp_path / "etc/group").write_text("root:x:0:\n")
    (tmp_path / "etc/os-release").symlink_to("/usr/lib/os-release")
    return tmp_path


@pytest.fixture
def run(machine: Path) -> Script:
    """Return a function that runs a script of deploy/scripts on that machine, with no engine in reach."""

    def run(name: str, *arguments: str, prelude: bool = True) -> "subprocess.CompletedProcess[str]":
        binds = [word for part in ("etc", "opt", "var/lib") for word in (str(machine / part), f"/{part}")]
        command = script.command(name, *arguments, prelude=prelude).get_raw_value()
        return subprocess.run(
            ["unshare", "--mount", "sh", "-c", BIND, "sh", *binds, "--", "sh", "-c", command],
            env={**os.environ, "HOSTNAME": "vm1"},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    return run
