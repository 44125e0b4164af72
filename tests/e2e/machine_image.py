"""Images of machines as a provider hands them out: Debian, systemd, sshd, a sudo user, and little else."""

import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path

from .command import run

VM = Path(__file__).parent / "vm"
PACKAGES = (
    "systemd", "systemd-sysv", "dbus", "libpam-systemd", "udev", "kmod",
    "openssh-server", "sudo", "ca-certificates", "iproute2", "procps",
)  # fmt: skip
BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")
PUBLIC_AUTHORITIES = Path("/usr/share/ca-certificates")
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


def image(suite: str, proxy: str) -> str:
    """Name of the image of a `suite` machine, made first if it is missing or what goes into it changed."""
    with tempfile.TemporaryDirectory() as directory:
        rootfs = files(Path(directory) / "rootfs", suite, VM / "rootfs")
        name = f"flights-e2e-machine:{suite}-{fingerprint(rootfs, PACKAGES)}"
        if run(["docker", "image", "inspect", name], check=False).returncode:
            tar = Path(directory) / "rootfs.tar"
            bootstrap(suite, rootfs, tar, proxy, PACKAGES)
            run(["docker", "import", "--change", 'CMD ["/sbin/first-process"]', tar, name])
            remove_others(suite, name)
    return name


def files(rootfs: Path, suite: str, *sources: Path) -> Path:
    """Gather in `rootfs` the files to add to the packages: of `sources`, and of what this machine is told."""
    for source in sources:
        shutil.copytree(source, rootfs, dirs_exist_ok=True)
    write_sources(rootfs / "etc/apt", suite)
    write_authorities(rootfs / "usr/local/share/ca-certificates")
    for path in [rootfs, *rootfs.rglob("*")]:  # whatever the umask of the checkout was
        path.chmod(0o755 if os.access(path, os.X_OK) else 0o644)
    return rootfs


def remove_others(suite: str, name: str) -> None:
    """Remove the images that this one replaces; Docker keeps those that a machine still runs on."""
    listed = run(["docker", "images", "--format", "{{.Repository}}:{{.Tag}}", "flights-e2e-machine"]).stdout
    for other in listed.split():
        if other.startswith(f"flights-e2e-machine:{suite}-") and other != name:
            run(["docker", "rmi", other], check=False)


def bootstrap(suite: str, rootfs: Path, target: Path, proxy: str, packages: Iterable[str]) -> None:
    """Write a minimal `suite` with these packages and the files in `rootfs` to a tar file or a directory."""
    sources = [
        f"deb [signed-by={KEYRING}] {mirror(label)} {part} main"
        for label, parts in archives(suite).items()
        for part in parts
    ]
    command: list[str | Path] = [
        "mmdebstrap", "--quiet", "--variant=minbase", f"--include={','.join(packages)}",
        f'--aptopt=Acquire::http::Proxy "{proxy}"', f"--customize-hook={VM / 'customize'}",
        suite, target, *sources,
    ]  # fmt: skip
    run(command, env={"ROOTFS": str(rootfs)})


def archives(suite: str) -> dict[str, list[str]]:
    """Return, of each archive, what a machine has of it; security updates are part of a new image."""
    return {"Debian": [suite, f"{suite}-updates"], "Debian-Security": [f"{suite}-security"]}


def write_sources(apt: Path, suite: str) -> None:
    """Write apt sources as they are in the field.

    Debian's cloud images read the mirrors from a list beside the sources (here: Debian 13); its installer
    writes one line a suite (here: Debian 12).
    """
    if suite == "bookworm":
        apt.mkdir(parents=True)
        parts = [(mirror(label), part) for label, suites in archives(suite).items() for part in suites]
        (apt / "sources.list").write_text("".join(f"deb {address} {part} main\n" for address, part in parts))
        return
    stanzas = []
    for directory in ("mirrors", "sources.list.d"):
        (apt / directory).mkdir(parents=True)
    for label, suites in archives(suite).items():
        name = label.lower()
        (apt / f"mirrors/{name}.list").write_text(f"{mirror(label)}\n")
        stanzas.append(
            f"Types: deb\nURIs: mirror+file:///etc/apt/mirrors/{name}.list\n"
            f"Suites: {' '.join(suites)}\nComponents: main\nSigned-By: {KEYRING}\n"
        )
    (apt / "sources.list.d/debian.sources").write_text("\n".join(stanzas))


def mirror(label: str) -> str:
    """Address of the archive called `label` in this machine's own apt sources."""
    listed = run(["apt-get", "indextargets", "--format", "$(LABEL) $(REPO_URI)"]).stdout
    found = re.search(rf"^{label} (\S+)$", listed, re.MULTILINE)
    if not found:
        raise LookupError(f"this machine's apt sources name no {label} archive; `apt-get update` first?")
    if found[1].startswith("mirror+file:"):
        return Path(found[1].removeprefix("mirror+file:")).read_text().split()[0]
    return found[1]


def write_authorities(directory: Path) -> None:
    """Write the certificate authorities this machine trusts beside the public ones, as companies have."""
    certificate = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----\n", re.DOTALL)
    public = {path.read_text().strip() for path in PUBLIC_AUTHORITIES.rglob("*.crt")}
    private = [found for found in certificate.findall(BUNDLE.read_text()) if found.strip() not in public]
    directory.mkdir(parents=True)
    for number, text in enumerate(private):
        (directory / f"private-{number}.crt").write_text(text)


def fingerprint(rootfs: Path, packages: Iterable[str]) -> str:
    """Twelve hex digits of everything that an image is made from."""
    digest = hashlib.sha256(f"{packages}{mirror('Debian')}with updates".encode() + (VM / "customize").read_bytes())
    for path in sorted(path for path in rootfs.rglob("*") if path.is_file()):
        digest.update(f"{path.relative_to(rootfs)}{os.access(path, os.X_OK)}".encode() + path.read_bytes())
    return digest.hexdigest()[:12]
