"""The playbook in peers/ansible, run as its README says."""

import json
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

from bench.target import Target
from tests.e2e.command import ROOT, run

PEER = Path(__file__).parent / "peers/ansible"
PLAYBOOK = ROOT / ".venv-peers/bin/ansible-playbook"
# Ansible's modules are Python programs, and two of those that are used need more than what comes with it.
PACKAGES = "python3 python3-apt python3-requests"
INSTALL = (
    "export DEBIAN_FRONTEND=noninteractive; apt-get -qq update && "
    f"apt-get -qq install --yes --no-install-recommends {PACKAGES}"
)


class Ansible:
    """The playbook for a target, whose own release it is to find there."""

    def __init__(self, target: Target) -> None:
        """Have Python on the target, and what the playbook is given here."""
        self.target = target
        self.directory = target.machine.directory / "ansible"
        self.directory.mkdir(exist_ok=True)
        target.machine.sudo(INSTALL)
        self._take_configuration()

    def _take_configuration(self) -> None:
        """Copy the folder airflow of the release that runs, and name what is in its .env."""
        packed = subprocess.run(
            self.target.ssh("tar --create --directory /opt/flights-mlops/current airflow"),
            capture_output=True, check=True,
        ).stdout  # fmt: skip
        subprocess.run(["tar", "--extract", "--directory", self.directory], input=packed, check=True)
        text = (self.directory / "airflow/.env").read_text()
        values = dict(re.findall(r"^(\w+)='(.*)'$", text, re.MULTILINE))
        given = {
            "release": self.target.current(),
            "uid": values["AIRFLOW_UID"],
            "image": values["AIRFLOW_IMAGE"],
            "python_image": values["PYTHON_IMAGE"],
            "ui_port": values["UI_PORT"],
            "repository": str(ROOT),
            "given": str(self.directory),
        }
        (self.directory / "given.json").write_text(json.dumps(given))

    def write_inventory(self, hosts: Sequence[str]) -> Path:
        """Write an inventory in which each of the names is the target, with a connection of its own."""
        same = {
            "ansible_host": self.target.address,
            "ansible_user": "debian",
            "ansible_ssh_private_key_file": self.target.key,
            "ansible_ssh_common_args": f"'{' '.join(self.target.ssh_options)}'",
        }
        shared = " ".join(f"{name}={value}" for name, value in same.items())
        lines = [f"{host} ansible_control_path={self._socket(host)} {shared}\n" for host in hosts]
        path = self.directory / f"hosts-{len(hosts)}"
        path.write_text("".join(lines))
        return path

    def _socket(self, host: str) -> Path:
        return self.directory / f"{host}.socket"

    def redeploy(self, inventory: Path) -> None:
        """Run the playbook, and make sure that it found nothing to change."""
        given = f"@{self.directory / 'given.json'}"
        env = {"ANSIBLE_CONFIG": str(PEER / "ansible.cfg"), "ANSIBLE_HOME": str(self.directory / "home")}
        said = run([PLAYBOOK, "-i", inventory, "-e", given, PEER / "playbook.yml"], env=env).stdout
        recap = re.findall(r"changed=(\d+) +unreachable=(\d+) +failed=(\d+)", said)
        if not recap or any(count != "0" for host in recap for count in host):
            raise RuntimeError(f"the playbook changed something:\n{said}")

    def hang_up(self) -> None:
        """Close the connections that Ansible has left open."""
        for socket in self.directory.glob("*.socket"):
            run(
                ["ssh", "-F", "none", "-O", "exit", f"-oControlPath={socket}", self.target.address],
                check=False,
            )
