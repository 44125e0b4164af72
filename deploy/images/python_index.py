"""Which Python package index an image build uses: no address of one stands in this repository."""

from __future__ import annotations

import re
import subprocess
import sys
from functools import cache


@cache
def of_control_node() -> str:
    """Return the index that pip on the control node is configured to use, or nothing.

    `pip config get` would not do: without a flag it reads the user's own file and no other. An index
    that is files on this machine's disk is none for a build somewhere else.
    """
    listed = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=False
    )
    found = re.findall(r"^(?:global|install|:env:)\.index-url='(https?://.+)'$", listed.stdout, re.MULTILINE)
    return str(found[-1]) if found else ""
