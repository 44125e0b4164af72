"""Which Python package index a build asks: no address of one stands in this repository."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from urllib.parse import urlsplit


def of_this_machine() -> str:
    """Return the index that pip is told of on the machine that deploys, or nothing.

    `pip config get` would not do: without a flag it reads the user's own file and no other.
    """
    listed = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=False
    )
    found = re.findall(r"^(?:global|install|:env:)\.index-url='(.+)'$", listed.stdout, re.MULTILINE)
    return str(found[-1]) if found else ""


def choose(setting: str | None, of_host: str) -> str:
    """Return the index for a build: as set, as pip on the host is told, or as pip here is.

    Empty means pip's own default. An index that is files on one machine's disk is none for a build.
    """
    found = setting or of_host or of_this_machine()
    return found if found.startswith(("http://", "https://")) else ""


def environment(url: str) -> str:
    """Return what tells pip and uv of an index, as lines of shell; its password, if any, is among them."""
    if not url:
        return "# pip's own default\n"
    lines = [f"PIP_INDEX_URL={shlex.quote(url)}", f"UV_DEFAULT_INDEX={shlex.quote(url)}"]
    address = urlsplit(url)
    if address.scheme == "http" and address.hostname:
        # Whoever names an index without TLS has decided to trust it; pip wants to be told so.
        lines += [f"PIP_TRUSTED_HOST={shlex.quote(address.hostname)}"]
    return "\n".join(lines) + "\n"
