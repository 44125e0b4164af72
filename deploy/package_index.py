"""Which Python package index a build asks: no address of one stands in this repository."""

from __future__ import annotations

import re
import subprocess
import sys


def of_this_machine() -> str:
    """Return the index that pip is told of on the machine that deploys, or nothing.

    `pip config get` would not do: without a flag it reads the user's own file and no other. An index
    that is files on this machine's disk is none for a build somewhere else.
    """
    listed = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=False
    )
    found = re.findall(r"^(?:global|install|:env:)\.index-url='(https?://.+)'$", listed.stdout, re.MULTILINE)
    return str(found[-1]) if found else ""
