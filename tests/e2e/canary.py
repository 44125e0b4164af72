"""Canaries: secrets by which one sees, wherever they turn up, that they have got out."""

import base64
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from .machine import Machine

WATCH = Path(__file__).parent / "vm/watch"
SEEN = "/root/watch"
# Where something comes and goes during a deploy. The whole disk is searched after it.
VAR = "/var/backups /var/crash /var/lib/flights-mlops /var/log /var/spool /var/tmp"
BUSY = f"/dev/shm /etc /home /opt /root /run /tmp {VAR}"  # noqa: S108
WATCHERS = {
    "processes": f"perl {SEEN}/watch processes",
    "processes-of-guest": "--uid=guest perl /usr/local/bin/watch processes",
    "files": f"--uid=guest perl /usr/local/bin/watch files {BUSY}",
}
START = "systemd-run --quiet --collect --unit=watch-{name} --property=StandardOutput=file:" + SEEN + "/{name} {how}"
INSPECT = """
docker ps --all --quiet | xargs docker inspect
docker images --quiet | sort -u | xargs docker inspect
docker images --quiet | sort -u | xargs -n 1 docker history --no-trunc
docker volume ls --quiet | xargs docker volume inspect
docker network ls --quiet | xargs docker network inspect
"""
LOGS = """
journalctl --no-pager --all --output=export
docker ps --all --quiet | while read -r id; do docker logs "$id" 2>&1; done
"""
HISTORIES = "cat /root/.*history /home/*/.*history 2>/dev/null || true"
# The patterns come on standard input; the kernel's own file systems show the process that searches.
READABLE = (
    "sudo -u guest grep --recursive --no-messages --only-matching --text --fixed-strings "
    "--devices=skip --file=- $(ls -d /* | grep -vE '^/(proc|sys|dev)$')"
)


def forms(value: str) -> set[str]:
    """Return a value as it may be written: as it is, in a URL, or somewhere within something in base64."""
    found = {value, quote(value, safe="")}
    for before in range(3):
        # Without the characters that what stands before and after has a part in.
        encoded = base64.b64encode(b"\0" * before + value.encode()).decode()
        encoded = encoded[-(-before * 8 // 6) : (before + len(value.encode())) * 8 // 6]
        found |= {encoded, encoded.replace("+", "-").replace("/", "_")}
    return found


def singing(text: str, canaries: Mapping[str, str]) -> set[str]:
    """Return the names of the canaries that are in a text, in whatever form."""
    return {name for name, value in canaries.items() if any(form in text for form in forms(value))}


def ask(machine: Machine, command: str, given: str) -> str:
    """Run a command there with this on standard input, where it is seen by nobody else; gives its output."""
    done = subprocess.run([*machine.ssh(), command], input=given, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


@contextmanager
def watched(machine: Machine) -> Iterator[None]:
    """Watch a machine for as long as the block lasts, as root and as a user who may nothing."""
    machine.sudo(f"install -d -m 0700 {SEEN}")
    ask(machine, "sudo tee /usr/local/bin/watch >/dev/null", WATCH.read_text())
    machine.sudo(f"cp /usr/local/bin/watch {SEEN}/watch")
    for name, how in WATCHERS.items():
        machine.sudo(START.format(name=name, how=how))
    try:
        yield
    finally:
        machine.sudo("systemctl stop " + " ".join(f"watch-{name}" for name in WATCHERS))


def places(machine: Machine, canaries: Mapping[str, str]) -> dict[str, str]:
    """Return what is to be seen on a machine that was watched, by the place where it is."""
    patterns = "\n".join(sorted(set().union(*map(forms, canaries.values())))) + "\n"
    processes = ("processes", "processes-of-guest")
    return {
        "processes": "".join(machine.fetch(f"{SEEN}/{name}").decode(errors="replace") for name in processes),
        "files": machine.fetch(f"{SEEN}/files").decode(errors="replace") + ask(machine, READABLE, patterns),
        "engine": machine.sudo(INSPECT).stdout,
        "logs": machine.sudo(LOGS).stdout,
        "histories": machine.sudo(HISTORIES).stdout,
    }
