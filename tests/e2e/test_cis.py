"""The checks of the CIS Docker Benchmark that docs/security.md calls passed, one by one, on a host."""

import re
from pathlib import Path
from typing import Any

import pytest

from .command import ROOT
from .containers import containers
from .machine import Machine

UNITS = "systemctl show --property FragmentPath --value"
OWNED = "stat --dereference --format %U:%G"
MODE = "stat --dereference --format %a"
ENGINE = "docker info --format"

# The number of a check: what is asked on the host, as root, and the answers that pass.
ON_THE_HOST = {
    "1.1.2": ("getent group docker | cut -d : -f 4", {""}),
    "2.3": ("grep -c log-level /etc/docker/daemon.json || true", {"0"}),
    "2.4": ("grep -c iptables /etc/docker/daemon.json || true", {"0"}),
    "2.5": ("grep -c insecure-registries /etc/docker/daemon.json || true", {"0"}),
    "2.6": (f"{ENGINE} '{{{{.Driver}}}}'", {"overlay2", "overlayfs"}),
    "2.7": ("ss --listening --tcp --processes --no-header | grep -c dockerd || true", {"0"}),
    "2.10": ("grep -c cgroup-parent /etc/docker/daemon.json || true", {"0"}),
    "2.15": (f"{ENGINE} '{{{{.LiveRestoreEnabled}}}}'", {"true"}),
    "2.17": (
        f"{ENGINE} '{{{{.SecurityOptions}}}}' | grep -o seccomp,profile=[a-z]*",
        {"seccomp,profile=builtin"},
    ),
    "2.18": ("docker version --format '{{.Server.Experimental}}'", {"false"}),
    "3.1": (f"{OWNED} $({UNITS} docker.service)", {"root:root"}),
    "3.2": (f"{MODE} $({UNITS} docker.service)", {"644", "600"}),
    "3.3": (f"{OWNED} $({UNITS} docker.socket)", {"root:root"}),
    "3.4": (f"{MODE} $({UNITS} docker.socket)", {"644", "600"}),
    "3.5": (f"{OWNED} /etc/docker", {"root:root"}),
    "3.6": (f"{MODE} /etc/docker", {"755", "700"}),
    "3.15": (f"{OWNED} /var/run/docker.sock", {"root:docker"}),
    "3.16": (f"{MODE} /var/run/docker.sock", {"660", "600"}),
    "3.17": (f"{OWNED} /etc/docker/daemon.json", {"root:root"}),
    "3.18": (f"{MODE} /etc/docker/daemon.json", {"644", "600"}),
    "3.23": (f"{OWNED} /run/containerd/containerd.sock", {"root:root"}),
    "3.24": (f"{MODE} /run/containerd/containerd.sock", {"660", "600"}),
    "5.1": (f"{ENGINE} '{{{{.Swarm.LocalNodeState}}}}'", {"inactive"}),
}
# Of each container of the stack, as `docker inspect` describes it. 5.4, 5.6, 5.13 and 5.26 are in
# test_least_privilege.py, which asks the kernel.
OF_EACH_CONTAINER: dict[str, Any] = {
    "4.1": lambda found: found["Config"]["User"] not in {"", "0", "root"},
    "5.5": lambda found: not found["HostConfig"]["Privileged"],
    "5.7": lambda found: "sshd" not in " ".join(found["Config"]["Cmd"] or []),
    "5.10": lambda found: found["HostConfig"]["NetworkMode"] != "host",
    "5.11": lambda found: found["HostConfig"]["Memory"] > 0,
    "5.12": lambda found: found["HostConfig"]["CpuShares"] not in {0, 1024},
    "5.14": lambda found: all(
        binding["HostIp"] for bindings in (found["HostConfig"]["PortBindings"] or {}).values() for binding in bindings
    ),
    "5.16": lambda found: found["HostConfig"]["PidMode"] != "host",
    "5.17": lambda found: found["HostConfig"]["IpcMode"] in {"private", "none"},
    "5.18": lambda found: not found["HostConfig"]["Devices"],
    "5.20": lambda found: "shared" not in {mount.get("Propagation") for mount in found["Mounts"]},
    "5.21": lambda found: found["HostConfig"]["UTSMode"] != "host",
    "5.22": lambda found: "seccomp=unconfined" not in found["HostConfig"]["SecurityOpt"],
    "5.25": lambda found: not found["HostConfig"]["CgroupParent"],
    "5.27": lambda found: found["State"]["Health"]["Status"] == "healthy",
    "5.29": lambda found: 0 < found["HostConfig"]["PidsLimit"] < 10_000,
    "5.30": lambda found: "bridge" not in found["NetworkSettings"]["Networks"],
    "5.31": lambda found: found["HostConfig"]["UsernsMode"] != "host",
    "5.32": lambda found: not [mount for mount in found["Mounts"] if "docker.sock" in mount["Source"]],
}

# What docker-bench-security 1.6.0 warned of, run by hand on a deployed Debian 13.
WARNED = {
    *(f"1.1.{number}" for number in range(3, 19)),
    *("2.2", "2.9", "2.12", "2.13", "2.14", "2.16"),
    *("4.5", "4.6"),
    *("5.2", "5.9", "5.13"),
}


@pytest.mark.parametrize("number", ON_THE_HOST)
def test_the_host_passes(trixie: Machine, number: str) -> None:
    """What is asked has one of the answers that pass."""
    question, answers = ON_THE_HOST[number]
    assert trixie.sudo(question).stdout.strip() in answers


@pytest.mark.parametrize("number", OF_EACH_CONTAINER)
def test_every_container_passes(trixie: Machine, number: str) -> None:
    """What is asked holds of each of the stack's containers."""
    failing = [name for name, found in containers(trixie).items() if not OF_EACH_CONTAINER[number](found)]
    assert failing == []


def rows() -> list[list[str]]:
    """Return check, state and reason of each row of the table in docs/security.md."""
    lines = (ROOT / "docs/security.md").read_text().splitlines()
    return [line.split("|")[1:4] for line in lines if re.match(r"\| \d+\.\d", line)]


def numbers(check: str) -> set[str]:
    """Return the checks that a row is about: one, or all from one to another."""
    first, *last = re.findall(r"^ ([\d.]+)(?: to [\d.]*?(\d+) )?", check)[0]
    group, _, number = first.rpartition(".")
    return {f"{group}.{each}" for each in range(int(number), int(last[0] or number) + 1)}


def test_what_docker_bench_security_warns_of_has_a_row() -> None:
    """With a reason."""
    reasons = {number: how.strip() for check, _, how in rows() for number in numbers(check)}
    assert {number for number in WARNED if not reasons.get(number)} == set()


def test_the_table_is_this_one() -> None:
    """docs/security.md calls passed what is tested here, and says where what is tested elsewhere is."""
    passed = {check.split()[0]: how for check, state, how in rows() if state.strip() == "passed"}
    elsewhere = {number: how for number, how in passed.items() if "`" in how and ".py" in how}
    assert passed.keys() - elsewhere.keys() == ON_THE_HOST.keys() | OF_EACH_CONTAINER.keys()
    for number, how in elsewhere.items():
        name = how.split("`")[1]
        assert Path(ROOT / "tests/e2e" / name).is_file(), number
