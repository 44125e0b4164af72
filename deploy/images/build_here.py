"""The Airflow image built on the control node, to be shipped to hosts."""

from __future__ import annotations

import os
import re
import shlex
import ssl
import subprocess
from collections import deque
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock
from urllib.parse import urlsplit

from deploy import outbound
from deploy.docker.local import docker
from deploy.images import python_index
from deploy.release import content
from deploy.release.rendering import Release
from deploy.settings import Settings

# Of its own, so that what a stack on this machine needs is none of its business.
REPOSITORY = "flights-mlops-shipped"
# So many of the images that were built stay here, for other hosts and branches.
KEPT = 5
# Of BuildKit's output, the steps and what they print; as in build.sh.
SHOWN = re.compile(r"#\d+ (\[(environment|stage|final)[^]]*\]|DONE|CACHED|ERROR|[0-9.]+ (?! *[+-] ))")
# What the Dockerfile says where requirements do not go together.
REFUSED = re.compile(r"#\d+ [0-9.]+ refused: ")
# Hosts are deployed to at once, and an image is built once.
ONCE = Lock()


def build(new: Release, python_image: str, settings: Settings, say: Callable[[str], None]) -> str:
    """Have the Airflow image of a release here, built at most once; gives its name.

    Raises ``ValueError``, one sentence, where it cannot be built.
    """
    name = f"{REPOSITORY}:{new.image.rpartition(':')[2]}"
    with ONCE:
        there = docker("images", "--format", "{{.Repository}}:{{.Tag}}").split()
        if name not in there and new.image in there:  # a stack on the control node runs on it
            docker("tag", new.image, name)
        elif name not in there:
            say(f"Building {new.image} on the control node; the first time takes a minute or more")
            with TemporaryDirectory() as work:
                secrets = {
                    "ca": authorities() + "".join(outbound.authorities(settings)),
                    "index": index(settings),
                }
                for secret, text in secrets.items():
                    (Path(work) / secret).write_text(text)  # in a directory of this user alone
                # The files of the release and not of the checkout: with the same modes on any machine.
                (Path(work) / "context").write_bytes(content.archive(new.files))
                _build(new.image, name, python_image, Path(work), say)
            _prune()
    return name


def _build(image: str, name: str, python_image: str, work: Path, say: Callable[[str], None]) -> None:
    command = [
        "docker", "build", "--progress=plain", f"--tag={name}", "--file=airflow/Dockerfile",
        f"--build-arg=PYTHON_IMAGE={python_image}",
        f"--secret=id=ca,src={work / 'ca'}", f"--secret=id=index,src={work / 'index'}", "-",
    ]  # fmt: skip
    last: deque[str] = deque(maxlen=30)
    refused = ""
    with (work / "context").open("rb") as context, subprocess.Popen(  # noqa: S603 - the user's docker
        command,
        stdin=context,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=os.environ | {"DOCKER_BUILDKIT": "1"},
        text=True,
        errors="replace",
    ) as building:  # fmt: skip
        for line in building.stdout or ():
            last.append(line.rstrip())
            if REFUSED.match(line):  # much may follow it
                refused = REFUSED.sub("", line.rstrip())
            if SHOWN.match(line):
                say(line.rstrip())
    if building.returncode:
        for line in last:
            say(line)
        if refused:
            raise ValueError(f"{refused}; the reason is above.")
        raise ValueError(
            f"{image} could not be built on the control node; the last lines of the build are "
            f"above. If it lacks {python_image}: pyinfra @local deploy.base_images.ensure"
        )


def authorities() -> str:
    """Return the certificates that the control node trusts: Debian's bundle, or where its OpenSSL looks."""
    places = ("/etc/ssl/certs/ca-certificates.crt", ssl.get_default_verify_paths().cafile)
    found = [Path(place) for place in (os.environ.get("SSL_CERT_FILE"), *places) if place]
    return next((path.read_text() for path in found if path.is_file()), "")


def index(settings: Settings) -> str:
    """Return the Python index and the proxies for the build: the control node's own."""
    lines = []
    if url := settings.python_index_url or python_index.of_control_node():
        lines += [f"{name}={shlex.quote(url)}\n" for name in ("PIP_INDEX_URL", "UV_DEFAULT_INDEX")]
        if url.startswith("http://"):  # whoever names one has decided to trust it
            lines.append(f"PIP_TRUSTED_HOST={shlex.quote(urlsplit(url).hostname or '')}\n")
    proxies = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
    lines += [f"{name}={shlex.quote(os.environ[name])}\n" for name in proxies if os.environ.get(name)]
    return "".join(lines)


def _prune() -> None:
    built = docker("images", "--format", "{{.Repository}}:{{.Tag}}", REPOSITORY).split()
    for old in built[KEPT:]:  # the newest come first
        docker("image", "rm", old)
