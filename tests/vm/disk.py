"""The disk of a virtual machine as a provider hands it out: what the containers have, and a kernel."""

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.caches import CACHE
from tests.e2e.command import run
from tests.e2e.machine_image import PACKAGES, bootstrap, files, fingerprint
from tests.e2e.machine_image import VM as CONTAINER

ROOTFS = Path(__file__).parent / "rootfs"
SIZE = "12G"
# A container has these from the machine it runs on: a kernel and what it starts from, an address, names.
WITH_KERNEL = (*PACKAGES, "linux-image-cloud-amd64", "initramfs-tools", "zstd", "systemd-resolved")


@dataclass(frozen=True)
class Disk:
    """A file system with Debian on it, which machines only read, and the kernel of that Debian."""

    root: Path
    kernel: Path
    initrd: Path


def disk(suite: str, proxy: str) -> Disk:
    """Return the disk of a `suite` machine, made first if it is missing or what goes into it changed."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as directory:
        rootfs = files(Path(directory) / "rootfs", suite, CONTAINER / "rootfs", ROOTFS)
        (rootfs / "usr/sbin/first-process").unlink()  # of a container
        kept = CACHE / f"vm/{suite}-{fingerprint(rootfs, (*WITH_KERNEL, SIZE))}"
        if not kept.is_dir():
            shutil.rmtree(kept.parent, ignore_errors=True)  # those that this one replaces
            system = Path(directory) / "system"
            install(suite, rootfs, system, proxy)
            write(system, kept)
    return Disk(kept / "root", kept / "kernel", kept / "initrd")


def install(suite: str, rootfs: Path, system: Path, proxy: str) -> None:
    """Install a minimal `suite` with a kernel into the directory `system`."""
    system.mkdir()
    bootstrap(suite, rootfs, system, proxy, WITH_KERNEL)
    run(["chroot", system, "systemctl", "enable", "--quiet", "systemd-networkd.service"])


def write(system: Path, kept: Path) -> None:
    """Write the disk with `system` on it, its kernel and its initial RAM disk to the directory `kept`."""
    unfinished = kept.with_suffix(".new")
    unfinished.mkdir(parents=True)
    for name, pattern in {"kernel": "vmlinuz-*", "initrd": "initrd.img-*"}.items():
        shutil.copy(next((system / "boot").glob(pattern)), unfinished / name)
    run(["truncate", f"--size={SIZE}", unfinished / "root"])  # it takes the room of what is on it
    run(["mkfs.ext4", "-q", "-d", system, unfinished / "root"])
    unfinished.rename(kept)
