"""A disposable machine with a kernel of its own, under QEMU."""

import base64
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.caches import Caches
from tests.e2e.command import ROOT, Finished, run, until
from tests.e2e.host import PYINFRA
from tests.e2e.machine import Machine

from .disk import Disk, disk
from .shown import shown

# What a guest of QEMU's own network calls the machine that runs it.
OUTSIDE = "10.0.2.2"
# Who runs the guest's code: the processor itself or, where QEMU may not ask it to and ends at once, QEMU.
ACCELERATORS = (("kvm", "host"), ("tcg,thread=multi", "max"))
# Limits in seconds, for QEMU on two cores that have other work.
BOOT, REBOOT, START, DEPLOY = 600, 900, 1800, 5400


@dataclass
class VirtualMachine(Machine):
    """One virtual machine, used over SSH like those that are containers."""

    accelerator: str = ""
    process: subprocess.Popen[bytes] | None = None

    @property
    def console(self) -> Path:
        """What its kernel and systemd print."""
        return self.directory / "console.log"

    def start(self, caches: Caches, *, pip_configured: bool = True) -> None:
        """Start it for the first time, and wait until systemd says it is up."""
        self.directory.mkdir(parents=True)
        system = disk(self.suite, caches.apt)
        inside = Caches(*(part.replace(caches.address, OUTSIDE) for part in vars(caches).values()))
        self._make_keys()
        lines = self._tmpfiles(inside, pip_configured=pip_configured)
        (self.directory / "tmpfiles").write_text("".join(lines))
        self.write_inventory(self.inventory)
        own = self.directory / "disk"
        run(["qemu-img", "create", "-q", "-f", "qcow2", "-b", system.root, "-F", "raw", own])
        for self.accelerator, processor in ACCELERATORS:
            print(f"Booting {self.name} with {self.accelerator}: {self.console}", flush=True)
            self._power_on(system, processor)
            until(f"{self.name} is up", self._is_up_or_off, limit=BOOT, every=2)
            if self._is_on():
                return
        raise RuntimeError(f"QEMU does not run {self.name}:\n{self._log.read_text()}")

    def _make_keys(self) -> None:
        """Make the user's key and the host's, which a provider puts into a VM and shows on its page."""
        for name in ("id_ed25519", "host_key"):
            run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", self.directory / name])
        key = (self.directory / "host_key.pub").read_text()
        (self.directory / "known_hosts").write_text(f"[127.0.0.1]:{self.port} {key}")

    def _tmpfiles(self, caches: Caches, *, pip_configured: bool) -> Iterator[str]:
        """Say what this machine has of its own, as to cloud-init; here systemd writes it, at each boot."""
        proxy = f'Acquire::http::Proxy "{caches.apt}";\nAcquire::https::Proxy "DIRECT";\n'
        index = f"[global]\nindex-url = {caches.python}\ntrusted-host = {caches.address}\n"
        key = (self.directory / "id_ed25519.pub").read_text()
        files = [
            ("/etc/ssh/ssh_host_ed25519_key", "0600 root root", (self.directory / "host_key").read_text()),
            ("/etc/apt/apt.conf.d/01proxy", "0644 root root", proxy),
            *([("/etc/pip.conf", "0644 root root", index)] if pip_configured else []),
        ]
        for user in ("debian", "guest"):
            yield f"d /home/{user}/.ssh 0700 {user} {user}\n"
            files.append((f"/home/{user}/.ssh/authorized_keys", f"0600 {user} {user}", key))
        for path, mode, text in files:
            yield f"f+~ {path} {mode} - {base64.b64encode(text.encode()).decode()}\n"

    def _power_on(self, system: Disk, processor: str) -> None:
        # On a processor in software, what guards against flaws of processors only takes time.
        kernel = f"root=/dev/vda rw console=ttyS0{'' if processor == 'host' else ' mitigations=off'}"
        command: list[str | Path] = [
            "setpriv", "--pdeathsig=KILL",  # whatever ends the tests ends it
            "qemu-system-x86_64", "-machine", "q35", "-accel", self.accelerator, "-cpu", processor,
            "-smp", "2", "-m", "4G", "-nodefaults", "-display", "none", "-serial", f"file:{self.console}",
            "-kernel", system.kernel, "-initrd", system.initrd, "-append", kernel,
            "-drive", f"file={self.directory / 'disk'},if=virtio,cache=unsafe,discard=unmap",
            "-netdev", f"user,id=net,hostfwd=tcp:127.0.0.1:{self.port}-:22",
            "-device", "virtio-net-pci,netdev=net", "-device", "virtio-rng-pci",
            "-fw_cfg", f"name=opt/io.systemd.credentials/tmpfiles.extra,file={self.directory / 'tmpfiles'}",
        ]  # fmt: skip
        with self._log.open("w") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    @property
    def _log(self) -> Path:
        return self.directory / "qemu.log"

    def _is_on(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def _is_up_or_off(self) -> bool:
        return not self._is_on() or bool(self.run("systemctl is-system-running").stdout)

    def ssh(self, *options: str) -> list[str | Path]:
        """Return the ssh command that opens this machine, and does not wait for one that hangs."""
        return super().ssh("-oServerAliveInterval=30", *options)

    def pyinfra(
        self,
        *arguments: str,
        checkout: Path = ROOT,
        inventory: Path | None = None,
        env: Mapping[str, str] | None = None,
    ) -> Finished:
        """Type `pyinfra -y INVENTORY …`, and show how it goes on, with the seconds since it began."""
        command = [
            "timeout", "--signal=INT", "--kill-after=60", str(DEPLOY),
            PYINFRA, "-y", inventory or self.inventory, *arguments,
            # Built here: in emulation a build takes longer than all the rest.
            "--data", "image_source=ship", "--data", f"start_timeout={START}",
        ]  # fmt: skip
        return shown(command, cwd=checkout, env=env)

    def reboot(self) -> None:
        """Have systemd reboot it, and wait until another boot has brought up all there is."""
        before = self._boot()
        self.sudo("systemctl reboot", check=False)
        until(
            f"{self.name} has rebooted",
            lambda: self._boot() != before and self._is_up_or_off(),
            limit=REBOOT,
            every=2,
        )

    def _boot(self) -> str:
        return self.run("cat /proc/sys/kernel/random/boot_id").stdout

    def destroy(self) -> None:
        """Cut its power, and remove what it wrote; the console stays, as pytest keeps it."""
        if self.process:
            self.process.kill()
            self.process.wait()
        (self.directory / "disk").unlink(missing_ok=True)
