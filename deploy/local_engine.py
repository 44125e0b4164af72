"""The Docker engine of the machine that deploys, where an image is built that is shipped."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import ssl
import subprocess
from collections import deque
from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock
from urllib.parse import urlsplit

from pyinfra import host
from pyinfra.connectors.local import LocalConnector

from deploy import egress, package_index, release
from deploy.configuration import Release
from deploy.settings import Settings

# Of its own, so that what a stack on this machine needs is none of its business.
REPOSITORY = "flights-mlops-shipped"
# So many of the images that were built stay here, for other hosts and branches.
KEPT = 5
# Of BuildKit's output, the steps and what they print; as in deploy/scripts/image.sh.
SHOWN = re.compile(r"#\d+ (\[(environment|stage|final)[^]]*\]|DONE|CACHED|ERROR|[0-9.]+ (?! *[+-] ))")
# What the Dockerfile says where requirements do not go together.
REFUSED = re.compile(r"#\d+ [0-9.]+ refused: ")
OTHERWISE = "or set image_source to build or registry"
# Hosts are deployed to at once, and an image is built once.
ONCE = Lock()


def docker(*arguments: str) -> str:
    """Return what docker prints here. Raises ``ValueError``, one sentence, where that fails."""
    if shutil.which("docker") is None:
        raise ValueError(
            "image_source=ship builds on this machine, and docker is not installed here; "
            f"install it (pyinfra @local deploy.engine.install), {OTHERWISE}."
        )
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)  # noqa: S603, S607 - the user's docker
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["it gave no reason"])[-1]
        raise ValueError(
            f"image_source=ship builds on this machine, and its Docker fails ({reason}); "
            f"see to that here, {OTHERWISE}."
        )
    return done.stdout.strip()


@cache
def architecture() -> str:
    """Return what the engine here builds for, as Debian calls it; see ``docker``."""
    docker("buildx", "version")
    return docker("version", "--format", "{{.Server.Arch}}")


@cache
def images() -> frozenset[str]:
    """Return the names of the images that were here when this was first asked, none without an engine."""
    try:
        return frozenset(docker("images", "--format", "{{.Repository}}:{{.Tag}}").split())
    except ValueError:
        return frozenset()


def source(settings: Settings) -> str:
    """Return where the image of the host in context comes from. To itself, this machine sends nothing."""
    if settings.image_source == "ship" and isinstance(host.connector, LocalConnector):
        return "build"
    return settings.image_source


def layers(image: str) -> str:
    """Return the layers of an image that is here, as a JSON list; see ``docker``."""
    return docker("image", "inspect", "--format", "{{json .RootFS.Layers}}", image)


def fault(target: str) -> str:
    """Return why no image can be built here for a host of the architecture ``target``, or nothing."""
    try:
        here = architecture()
    except ValueError as reason:
        return str(reason)
    if here == target:
        return ""
    return (
        f"image_source=ship builds on this machine, for {here}, and the host is {target}: "
        f"deploy from a machine that is {target} too, {OTHERWISE}."
    )


def build(new: Release, python_image: str, settings: Settings, say: Callable[[str], None]) -> str:
    """Have the Airflow image of a release here, built at most once; gives its name.

    Raises ``ValueError``, one sentence, where it cannot be built.
    """
    name = f"{REPOSITORY}:{new.image.rpartition(':')[2]}"
    with ONCE:
        there = docker("images", "--format", "{{.Repository}}:{{.Tag}}").split()
        if name not in there and new.image in there:  # a stack on this machine runs on it
            docker("tag", new.image, name)
        elif name not in there:
            say(f"Building {new.image} on the machine that deploys; the first time takes a minute or more")
            with TemporaryDirectory() as work:
                secrets = {
                    "ca": authorities() + "".join(egress.authorities(settings)),
                    "index": index(settings),
                }
                for secret, content in secrets.items():
                    (Path(work) / secret).write_text(content)  # in a directory of this user alone
                # The files of the release and not of the checkout: with the same modes on any machine.
                (Path(work) / "context").write_bytes(release.archive(new.files))
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
            f"{image} could not be built on this machine; the last lines of the build are "
            f"above. If it lacks {python_image}: pyinfra @local deploy.base_image.ensure"
        )


def authorities() -> str:
    """Return the certificates that this machine trusts: Debian's bundle, or where its OpenSSL looks."""
    places = ("/etc/ssl/certs/ca-certificates.crt", ssl.get_default_verify_paths().cafile)
    found = [Path(place) for place in (os.environ.get("SSL_CERT_FILE"), *places) if place]
    return next((path.read_text() for path in found if path.is_file()), "")


def index(settings: Settings) -> str:
    """Return what tells the build of the Python index, and of the way to it: this machine's own."""
    lines = []
    if url := settings.python_index_url or package_index.of_this_machine():
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
