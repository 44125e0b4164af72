"""A disposable machine: a container that runs systemd and sshd, used as one uses a VM, over SSH."""

import os
import shlex
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .caches import Caches, answers, free_port
from .command import ROOT, Finished, run, until
from .host import HEALTH, PYINFRA, Host
from .machine_image import image
from .saved import CONTAINERD, DOCKER, Saved, copy_images, copy_volumes
from .times import RUNS, noted

VOLUMES = (f"--volume={DOCKER}", f"--volume={CONTAINERD}")
# What a container may do that is a VM to those inside. --privileged would ask for SYS_RESOURCE as well, which
# the machine that runs the tests may not have itself.
LIKE_A_VM = (
    "--cap-add=ALL", "--device-cgroup-rule=a *:* rwm", "--cgroupns=private",
    "--security-opt=seccomp=unconfined", "--security-opt=apparmor=unconfined",
    "--security-opt=systempaths=unconfined", "--env=SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1",
    "--tmpfs=/run:rw,nosuid,nodev,exec,mode=755", "--tmpfs=/run/lock", "--tmpfs=/tmp:exec,mode=1777",
    *VOLUMES, "--stop-signal=SIGRTMIN+3",
)  # fmt: skip


def not_to_be_had() -> list[str]:
    """Return what takes from ALL capabilities the one that the machine that runs the tests may lack itself.

    To engines before 23 ALL are those that the kernel knows; to later ones those that can be had, and to
    drop another is a fault.
    """
    version = run(["docker", "version", "--format", "{{.Server.Version}}"]).stdout
    return ["--cap-drop=SYS_RESOURCE"] if int(version.split(".")[0]) < 23 else []


# Of the test run that a machine belongs to.
LABEL = "flights-e2e.run"


def run_id() -> str:
    """Return which test run this is, the same in all its processes."""
    return os.environ.get("PYTEST_XDIST_TESTRUNUID", str(os.getpid()))


def clear(run_id: str) -> None:
    """Remove the machines that a test run has left, and those it has saved."""
    mine = f"--filter=label={LABEL}={run_id}"
    if left := run(["docker", "ps", "--all", "--quiet", mine]).stdout.split():
        run(["docker", "rm", "--force", "--volumes", *left], check=False)
    run(["docker", "image", "prune", "--all", "--force", mine], check=False)


# The DAGs run when a test says so, and not also when it happens to be four in the morning.
UNSCHEDULED = {"AIRFLOW__SCHEDULER__USE_JOB_SCHEDULE": "false"}


@dataclass
class Machine(Host):
    """One machine; its user `debian` may use sudo, its user `guest` may not."""

    name: str
    suite: str
    directory: Path
    port: int = field(default_factory=free_port)
    origin: Saved | None = None
    """The machine that it is a copy of, if any."""
    images: Saved | None = None
    """The machine whose images its Docker has as soon as there is one, if any."""
    stands_still: bool = False

    @property
    def container(self) -> str:
        """Name of the container; the number of this process keeps two test runs apart."""
        return f"flights-e2e-{self.name}-{os.getpid()}"

    @property
    def inventory(self) -> Path:
        """Inventory file that names this machine and nothing else."""
        return self.directory / "inventory.py"

    def start(self, caches: Caches, *, pip_configured: bool = False) -> None:
        """Start it for the first time, and wait until systemd says it is up."""
        self.directory.mkdir(parents=True)
        key = self.directory / "id_ed25519"
        run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key])
        given = {
            "AUTHORIZED_KEY": key.with_suffix(".pub").read_text().strip(),
            "APT_PROXY": caches.apt,
            "PIP_INDEX": caches.python if pip_configured else "",
            "PIP_TRUSTED": caches.address,
        }
        run([
            "docker", "create", f"--name={self.container}", f"--hostname={self.name}",
            f"--label={LABEL}={run_id()}", f"--publish=127.0.0.1:{self.port}:22", *LIKE_A_VM, *not_to_be_had(),
            *(f"--env={name}={value}" for name, value in given.items()),
            self.origin.image if self.origin else image(self.suite, caches.apt),
        ])  # fmt: skip
        if self.origin:
            copy_volumes(self.origin.container, self.container)
        elif self.images:
            copy_images(self.images.container, self.container)
        run(["docker", "start", self.container])
        until(f"host keys of {self.name}", self.note_host_keys, limit=180)
        self.write_inventory(self.inventory)
        self.wait()

    def save(self) -> Saved:
        """Keep it as it is now: what begins from that is a machine whose power was cut at this moment."""
        name = f"{self.container}-saved"
        run(["docker", "pause", self.container])
        try:
            # With the label, which `clear` finds it by.
            run(["docker", "commit", "--pause=false", self.container, name])
            run(["docker", "create", f"--name={name}", *VOLUMES, name])
            copy_volumes(self.container, name)
        finally:
            run(["docker", "unpause", self.container])
        return Saved(name, name, self.first_deploy.stdout, self.first_deploy.stderr)

    def note_host_keys(self) -> bool:
        """Learn the keys as from a provider's console, so that SSH can be strict about them."""
        # Those of the machine that it is a copy of are gone once it takes the key of its own.
        mine = (self.directory / "id_ed25519.pub").read_text().strip()
        look = 'grep -qsxF "$0" /home/debian/.ssh/authorized_keys && cat /etc/ssh/ssh_host_*_key.pub'
        keys = run(["docker", "exec", self.container, "sh", "-c", look, mine]).stdout
        lines = [f"[127.0.0.1]:{self.port} {key}\n" for key in keys.splitlines()]
        (self.directory / "known_hosts").write_text("".join(lines))
        return len(lines) == 3

    def reached(self, **data: Any) -> tuple[str, dict[str, Any]]:
        """Return it as an inventory has it, with more or other data; None takes a name away."""
        given: dict[str, Any] = {
            "ssh_hostname": "127.0.0.1",
            "ssh_port": self.port,
            "ssh_user": "debian",
            "ssh_key": str(self.directory / "id_ed25519"),
            "ssh_known_hosts_file": str(self.directory / "known_hosts"),
            "ssh_strict_host_key_checking": "yes",
            "airflow_env": UNSCHEDULED,
        }
        return self.name, {name: value for name, value in (given | data).items() if value is not None}

    def write_inventory(self, path: Path, **data: Any) -> Path:
        """Write an inventory that names it and nothing else, with more or other data."""
        path.write_text(f"vms = {[self.reached(**data)]!r}\n")
        return path

    def wait(self) -> None:
        """Wait until sshd answers and systemd has started all there is to start."""
        until(f"{self.name} is up", lambda: self.run("systemctl is-system-running").stdout, limit=300)

    def ssh(self, *options: str) -> list[str | Path]:
        """Return the ssh command that opens this machine."""
        settings = (
            "BatchMode=yes", "ConnectTimeout=10", "ExitOnForwardFailure=yes", "LogLevel=ERROR",
            "StrictHostKeyChecking=yes", f"UserKnownHostsFile={self.directory / 'known_hosts'}",
        )  # fmt: skip
        return [
            "ssh", "-F", "none", "-i", self.directory / "id_ed25519", "-p", str(self.port),
            *(f"-o{setting}" for setting in settings), *options, "debian@127.0.0.1",
        ]  # fmt: skip

    @property
    def shared(self) -> tuple[str, ...]:
        """Options that let commands share one connection: the firewall counts those of one address."""
        return (
            "-oControlMaster=auto", f"-oControlPath={self.directory / 'ssh'}", "-oControlPersist=60",
            "-oServerAliveInterval=5",
        )  # fmt: skip

    def run(self, command: str, *, check: bool = True) -> Finished:
        """Run a shell command as the user one logs in as."""
        return run([*self.ssh(*self.shared), command], check=check)

    def fetch(self, path: str) -> bytes:
        """Fetch a file, whoever it belongs to."""
        command = [*self.ssh(*self.shared), f"sudo cat {shlex.quote(path)}"]
        return subprocess.run(command, capture_output=True, check=True).stdout

    @contextmanager
    def tunnel(self, port: int, host: str = "127.0.0.1") -> Iterator[tuple[str, int]]:
        """Forward a local port to `host:port` as seen from the machine, by `ssh -L`."""
        local = free_port()
        command = self.ssh("-N", "-L", f"127.0.0.1:{local}:{host}:{port}")
        with subprocess.Popen(command, stdin=subprocess.DEVNULL) as forwarding:
            try:
                until("the tunnel", lambda: answers("127.0.0.1", local))
                yield "127.0.0.1", local
            finally:
                forwarding.terminate()

    @noted(RUNS)
    def pyinfra(
        self,
        *arguments: str,
        checkout: Path = ROOT,
        inventory: Path | None = None,
        env: Mapping[str, str] | None = None,
    ) -> Finished:
        """Type `pyinfra -y INVENTORY …` in a checkout of the project, and see what comes of it."""
        command = self.pyinfra_command(*arguments, inventory=inventory)
        return run(command, check=False, cwd=checkout, env=env)

    def pyinfra_command(self, *arguments: str, inventory: Path | None = None) -> list[str | Path]:
        """Return the words of `pyinfra -y INVENTORY …`."""
        return [PYINFRA, "-y", inventory or self.inventory, *arguments]

    def reboot(self) -> None:
        """Shut it down and start it again."""
        run(["docker", "restart", "--time=120", self.container])
        self.wait()

    def stand_still(self) -> None:
        """Take the processors from it, until it is to go on."""
        if not self.stands_still:
            run(["docker", "pause", self.container])
            self.stands_still = True

    def go_on(self) -> None:
        """Give them back; what has missed its heartbeats meanwhile gets the time to be healthy again."""
        if self.stands_still:
            run(["docker", "unpause", self.container])
            self.stands_still = False
            healthy = lambda: set(self.sudo(HEALTH).stdout.split()) <= {"healthy"}  # noqa: E731
            with suppress(TimeoutError):  # as a test has left it, which the next one sees to
                until(f"{self.name} is healthy again", healthy, limit=120)

    def destroy(self) -> None:
        """Remove it with all it holds."""
        run(self.ssh(*self.shared, "-O", "exit"), check=False)
        if self.stands_still:
            run(["docker", "unpause", self.container], check=False)
        run(["docker", "rm", "--force", "--volumes", self.container], check=False)
