"""The machine that is measured, at the address of its container.

A port that Docker publishes on the loopback address would put a proxy in between: it answers what the machine
has not seen yet, and would hide part of an added delay.
"""

import json
from collections.abc import Sequence
from pathlib import Path

from tests.e2e.command import ROOT, Finished, run
from tests.e2e.host import PYINFRA
from tests.e2e.machine import Machine

# Twenty connections at once, from one address, are refused by default.
SSHD = "MaxStartups 200\\nPerSourcePenalties no\\n"


class Target:
    """A machine with the stack on it, and the inventories that name it."""

    def __init__(self, machine: Machine) -> None:
        """Learn its address, and have its firewall and sshd take many connections at once."""
        self.machine = machine
        shown = run(["docker", "inspect", machine.container]).stdout
        self.address = str(json.loads(shown)[0]["NetworkSettings"]["IPAddress"])
        self.known_hosts = machine.directory / "known_hosts_by_address"
        keys = (machine.directory / "known_hosts").read_text()
        self.known_hosts.write_text(keys.replace(f"[127.0.0.1]:{machine.port}", self.address))
        self.inventory = self.write_inventory("direct", [machine.name])
        machine.sudo(f"printf '{SSHD}' >/etc/ssh/sshd_config.d/bench.conf; systemctl reload ssh")
        self.pyinfra("deploy.firewall.close")

    @property
    def key(self) -> Path:
        """The private key that opens it."""
        return self.machine.directory / "id_ed25519"

    @property
    def ssh_options(self) -> list[str]:
        """What ssh is told of it; one connection a command."""
        settings = (
            "BatchMode=yes", "ConnectTimeout=10", "LogLevel=ERROR", "StrictHostKeyChecking=yes",
            f"UserKnownHostsFile={self.known_hosts}",
        )  # fmt: skip
        return ["-F", "none", *(f"-o{setting}" for setting in settings)]

    def ssh(self, command: str) -> list[str | Path]:
        """Return the command that runs a shell command there."""
        return ["ssh", *self.ssh_options, "-i", self.key, f"debian@{self.address}", command]

    def write_inventory(self, name: str, hosts: Sequence[str]) -> Path:
        """Write an inventory in which each of the names is this machine."""
        data = {
            "ssh_hostname": self.address,
            "ssh_user": "debian",
            "ssh_key": str(self.key),
            "ssh_known_hosts_file": str(self.known_hosts),
            "ssh_strict_host_key_checking": "yes",
            # It counts the connections of one address, and twenty hosts have one here.
            "firewall": False,
        }
        path = self.machine.directory / f"{name}.py"
        path.write_text(f"vms = {[(host, data) for host in hosts]!r}\n")
        return path

    def pyinfra(self, *arguments: str, checkout: Path = ROOT, inventory: Path | None = None) -> Finished:
        """Type `pyinfra -y INVENTORY …` in a checkout, and expect it to work."""
        return run([PYINFRA, "-y", inventory or self.inventory, *arguments], cwd=checkout)

    def current(self) -> str:
        """Return the id of the release that runs."""
        return run(self.ssh("basename $(readlink /opt/flights-mlops/current)")).stdout.strip()
