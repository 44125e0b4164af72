"""The examples are what they say: pyinfra and our own settings read each of them."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from pyinfra.api.arguments import all_global_arguments
from pyinfra.connectors.ssh import SSHConnector

from deploy.core.hosts import load
from deploy.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
# What `terraform output -json` is documented to print for outputs.tf and two machines.
TERRAFORM = {
    "pyinfra_inventory": {
        "sensitive": False,
        "type": [
            "object",
            {
                "production": [
                    "tuple",
                    [["object", {"name": "string", "ssh_hostname": "string", "parallelism": "number"}]] * 2,
                ]
            },
        ],
        "value": {
            "production": [
                {"name": "flights-1", "ssh_hostname": "203.0.113.10", "parallelism": 16},
                {"name": "flights-2", "ssh_hostname": "203.0.113.11", "parallelism": 16},
            ]
        },
    }
}


def inventory(path: str, **env: str) -> dict[str, Any]:
    """Return the hosts that pyinfra reads out of an inventory, by name."""
    command = [Path(sys.executable).with_name("pyinfra"), path, "debug-inventory", "--json"]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | env, capture_output=True, text=True, check=True)
    # Of which the connector of Terraform prints a line before.
    return {host["name"]: host for host in json.loads(done.stdout[done.stdout.index("[{") :])}


def settings(host: dict[str, Any]) -> Settings:
    """Return the settings of a host of which not one is at fault."""
    pyinfras = {name for name, _ in all_global_arguments()} | set(SSHConnector.data_cls.__annotations__)
    data = {key: value for key, value in host["data"].items() if key not in pyinfras}
    found, faults = load(data, where=host["name"])
    assert faults == []
    return found


def test_environments() -> None:
    """A host has the settings of its group, and its own go before them."""
    hosts = inventory("examples/fleet/inventory.py")
    assert {name for name, host in hosts.items() if "staging" in host["groups"]} == {"staging.example.org"}
    of = {name: settings(host) for name, host in hosts.items()}
    assert of["staging.example.org"].parallelism == 2
    assert of["staging.example.org"].keep_releases == 2
    assert of["flights-1.example.org"].parallelism == 16
    assert of["flights-2.example.org"].parallelism == 32
    assert of["flights-2.example.org"].airflow_env == {"AIRFLOW__CORE__DEFAULT_TASK_RETRIES": "2"}
    assert hosts["flights-1.example.org"]["data"]["ssh_strict_host_key_checking"] == "yes"


@pytest.mark.parametrize("source", ["examples/terraform/inventory.py", "@terraform"])
def test_hosts_from_terraform(tmp_path: Path, source: str) -> None:
    """Terraform itself is not run here: a program of its name prints what it would; all else is pyinfra."""
    (tmp_path / "output.json").write_text(json.dumps(TERRAFORM))
    program = tmp_path / "terraform"
    program.write_text(f'#!/bin/sh\n[ "$*" = "output -json" ] && cat {tmp_path}/output.json\n')
    program.chmod(0o755)
    hosts = inventory(source, PATH=f"{tmp_path}:{os.environ['PATH']}")
    assert sorted(hosts) == ["@terraform/flights-1", "@terraform/flights-2"]
    host = hosts["@terraform/flights-1"]
    assert "production" in host["groups"]
    assert host["data"]["ssh_hostname"] == "203.0.113.10"
    assert settings(host).parallelism == 16
    if source != "@terraform":
        assert host["data"]["ssh_user"] == "deploy"


def test_the_output_has_what_was_recorded() -> None:
    """The keys of a host in outputs.tf are those of the recorded output, and its name the connector's."""
    text = (EXAMPLES / "terraform/outputs.tf").read_text()
    (name,) = TERRAFORM
    assert f'output "{name}" {{' in text
    (group, machines), *_ = TERRAFORM[name]["value"].items()  # type: ignore[attr-defined] # it is the map
    assert f"{group} = [" in text
    assert re.findall(r"^ {8}(\w+) += ", text, re.MULTILINE) == list(machines[0])


def test_user_data_makes_a_user_with_a_key_and_no_more() -> None:
    """Real cloud-init reads it in the end-to-end tests; this is what is asked of it."""
    text = (EXAMPLES / "cloud-init/user-data.yaml").read_text()
    assert text.startswith("#cloud-config\n")
    data = yaml.safe_load(text)
    assert list(data) == ["users"]
    (user,) = data["users"]
    assert user["lock_passwd"] is True
    assert len(user["ssh_authorized_keys"]) == 1
