"""Bad input: each fault is one clear line, all at once, and nothing was changed; what `--dry` says of a bare host."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from .authority import Authority
from .caches import free_port
from .checkout import Checkout
from .command import ROOT, run
from .host import PYINFRA
from .https import DOMAIN, issued
from .machine import Machine

EVERYTHING = "find /etc /opt /usr /var/lib /home -xdev -printf '%p %i %T@ %C@\\n' | sort"
BY_OTHERS = ("/etc/resolv.conf", "/etc/hosts", "/home/", "/var/lib/systemd", "/var/lib/private")
UBUNTU = 'ID=ubuntu\nVERSION_ID="20.04"\nVERSION_CODENAME=focal\nPRETTY_NAME="Ubuntu 20.04.6 LTS"\n'
SMALL = "MemTotal:         500000 kB\nMemFree:          400000 kB\nMemAvailable:     450000 kB\n"


def everything(machine: Machine) -> set[str]:
    """Return all files a deploy could touch, with their times; the machine's own book-keeping left out."""
    kept = machine.sudo(EVERYTHING).stdout.splitlines()
    return {line for line in kept if not line.startswith((*BY_OTHERS, "/var/lib/systemd", "/var/lib/private"))}


def refusal(machine: Machine, *arguments: str, checkout: Path = ROOT, inventory: Path | None = None) -> list[str]:
    """Deploy and be refused; gives what was said, line by line, having seen that nothing changed.

    What the end of the run repeats of it is left out.
    """
    before = everything(machine)
    done = machine.pyinfra("deploy.py", *arguments, checkout=checkout, inventory=inventory)
    said = done.stdout + done.stderr
    assert done.returncode != 0, said
    assert "traceback" not in said.lower()
    assert sorted(everything(machine) ^ before) == []
    return said.partition("--> Hosts:")[0].splitlines()


def matching(lines: list[str], *words: str) -> list[str]:
    """Return the lines that have all of these words."""
    return [line for line in lines if all(word in line for word in words)]


@contextmanager
def covered(machine: Machine, path: str, text: str) -> Iterator[None]:
    """Have a file of the machine read differently."""
    machine.sudo(f"cat >/run/cover <<'END'\n{text}END\nmount --bind /run/cover {path}")
    try:
        yield
    finally:
        machine.sudo(f"umount --lazy {path}")


@contextmanager
def full_disk(machine: Machine) -> Iterator[None]:
    """Have little room where Docker keeps its images."""
    machine.sudo("mount -t tmpfs -o size=200m tmpfs /var/lib/docker")
    try:
        yield
    finally:
        machine.sudo("umount --lazy /var/lib/docker")


@contextmanager
def listener(machine: Machine, port: int) -> Iterator[None]:
    """Have somebody else listen on a port."""
    machine.sudo(f"systemd-run --quiet --unit=squatter systemd-socket-activate --listen=127.0.0.1:{port} /bin/cat")
    try:
        yield
    finally:
        machine.sudo("systemctl stop squatter")


def test_what_a_fresh_host_would_get(bare: Machine) -> None:
    """Where its base images come from is not known yet, so `--dry` names no release that might never be deployed."""
    before = everything(bare)
    # Without -y, with which pyinfra does not look for changes.
    done = run([PYINFRA, bare.inventory, "deploy.py", "--dry"], cwd=ROOT)
    said = done.stdout + done.stderr
    assert "the release would start every service" in said
    assert not re.search(r"\b[ri]-[0-9a-f]{12}", said), said
    assert sorted(everything(bare) ^ before) == []


def test_a_setting_that_does_not_exist(bare: Machine) -> None:
    """The line names the host and the key, and the one that may have been meant."""
    said = refusal(bare, "--data", "paralelism=4")
    assert len(matching(said, "bare", '"paralelism"', '"parallelism"')) == 1, said


@pytest.mark.parametrize(
    ("key", "value"),
    [("parallelism", "many"), ("parallelism", "0"), ("ui_port", "80800"), ("base_images", "dockerhub")],
)
def test_a_setting_of_the_wrong_type(bare: Machine, key: str, value: str) -> None:
    """The line names the host, the key and the value."""
    said = refusal(bare, "--data", f"{key}={value}")
    assert len(matching(said, "bare", f'"{key}"', value)) == 1, said


def test_a_port_that_is_taken(bare: Machine) -> None:
    """The line names the port and who holds it; another port that is free is no fault."""
    with listener(bare, 8080):
        said = refusal(bare)
        assert len(matching(said, "bare", "8080", "systemd-socket", "pid")) == 1, said
        other = refusal(bare, "--data", "ui_port=8081", "--data", "nonsense=1")
        assert matching(other, "8081") == []


def test_a_system_that_is_not_supported(bare: Machine) -> None:
    """The line says what the system is, and which would do."""
    with covered(bare, "/usr/lib/os-release", UBUNTU):
        said = refusal(bare)
    assert len(matching(said, "bare", "Ubuntu 20.04", "Debian 12")) == 1, said


def test_too_little_memory(bare: Machine) -> None:
    """The line says how much there is and how much is needed."""
    with covered(bare, "/proc/meminfo", SMALL):
        said = refusal(bare)
    assert len(matching(said, "bare", "488 MiB", "memory")) == 1, said


def test_too_little_disk(bare: Machine) -> None:
    """The line says how much is free and how much is needed."""
    with full_disk(bare):
        said = refusal(bare)
    assert len(matching(said, "bare", "200 MiB", "free")) == 1, said


def test_a_user_who_may_not_use_sudo(bare: Machine) -> None:
    """The line says so, and what would help."""
    guest = bare.write_inventory(bare.directory / "guest.py", ssh_user="guest")
    said = refusal(bare, inventory=guest)
    assert len(matching(said, "bare", "cannot use sudo without a password")) == 1, said


def test_a_host_that_cannot_be_reached(bare: Machine) -> None:
    """Nobody listens there: the host is named."""
    nowhere = bare.write_inventory(bare.directory / "nowhere.py", ssh_port=free_port())
    said = refusal(bare, inventory=nowhere)
    assert matching(said, "bare", "onnect"), said


@pytest.mark.parametrize("name", ["dvc.yaml", "requirements/image.txt", "templates/stack/.env.j2"])
def test_a_file_of_the_project_that_is_missing(bare: Machine, tmp_path: Path, name: str) -> None:
    """The line names the file."""
    checkout = Checkout(tmp_path / "clone")
    checkout.remove(name)
    said = refusal(bare, checkout=checkout.path)
    assert len(matching(said, name.removesuffix(".j2"))) == 1, said


def test_a_value_in_a_template_that_does_not_exist(bare: Machine, tmp_path: Path) -> None:
    """The line names the template and the value."""
    checkout = Checkout(tmp_path / "clone")
    checkout.append("templates/stack/docker-compose.yaml.j2", "# {{ settings.paralelism }}\n")
    said = refusal(bare, checkout=checkout.path)
    assert len(matching(said, "docker-compose.yaml.j2", "paralelism")) == 1, said


def test_a_domain_that_leads_nowhere(bare: Machine) -> None:
    """No authority would find the host under it: the line names the domain and where else to go."""
    said = refusal(bare, "--data", f"domain={DOMAIN}")
    assert len(matching(said, "bare", DOMAIN, "does not resolve", "DNS", "internal")) == 1, said


def test_a_certificate_for_another_domain(bare: Machine, tmp_path: Path) -> None:
    """Line by line: for which it is, and that somebody else has the port of HTTPS."""
    files = issued(Authority(tmp_path, "A company's CA"), "other.example.test")
    with listener(bare, 443):
        said = refusal(bare, "--data", f"domain={DOMAIN}", *files)
    found = f"{tmp_path}/other.example.test.crt"
    assert len(matching(said, "bare", found, DOMAIN, "but for other.example.test")) == 1, said
    assert len(matching(said, "bare", "443", "systemd-socket", "pid")) == 1, said


def test_everything_at_once(bare: Machine, tmp_path: Path) -> None:
    """Whoever has seven faults reads of seven, and not of one seven times."""
    checkout = Checkout(tmp_path / "clone")
    checkout.append("templates/stack/docker-compose.yaml.j2", "# {{ settings.nothing }}\n")
    with (
        covered(bare, "/usr/lib/os-release", UBUNTU),
        listener(bare, 8080),
        full_disk(bare),
    ):
        said = refusal(bare, "--data", "parallelism=many", "--data", "colour=red", checkout=checkout.path)
    for words in (
        ["parallelism", "many"],
        ["colour"],
        ["Ubuntu 20.04"],
        ["8080", "taken"],
        ["200 MiB"],
        ["docker-compose.yaml.j2", "nothing"],
    ):
        assert len(matching(said, *words)) == 1, (words, said)
