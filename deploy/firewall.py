"""The firewall: in comes SSH and what is open, to the host as to the ports that Docker publishes."""

from __future__ import annotations

from collections.abc import Generator

from pyinfra import host

from deploy import host_file, package
from deploy.inventory import current
from deploy.machine import Machine, look
from deploy.script import Run, is_remote
from deploy.settings import Settings
from deploy.step import deploy, operation
from deploy.trial import Trial

RULES = "/etc/flights-mlops/firewall.nft"
UNIT = "/etc/systemd/system/flights-mlops-firewall.service"
# Connections to SSH from one address: at once, and a minute after these. A deploy makes three at most, a
# person who tries something out dozens in a minute, and who guesses hundreds.
BURST, RATE = 30, 30
HTTPS = 443


@deploy("Firewall")
def close() -> None:
    """Let in SSH and open ports alone, to the host as to its containers. Not on @local."""
    settings = current()
    if not is_remote(host):
        return
    if settings.firewall:
        load(name="Close every port that is not open", settings=settings)
    else:
        remove(name="Remove the firewall of an earlier deploy")


def open_tcp(settings: Settings) -> list[int]:
    """Return the TCP ports that are open beside SSH."""
    return sorted({*settings.open_ports, *settings.public_ports})


def open_udp(settings: Settings) -> list[int]:
    """Return the UDP ports that are open: that of HTTP/3, where there is a domain."""
    return [HTTPS] if HTTPS in settings.public_ports else []


def rules(ssh: list[int], tcp: list[int], udp: list[int]) -> str:
    """Return the whole firewall, as nft reads it."""
    return host_file.text(RULES, ssh=ssh, tcp=tcp, udp=udp, burst=BURST, rate=RATE)


def ssh_ports(machine: Machine) -> list[int]:
    """Return the ports that sshd listens on, that of this deploy's connection among them."""
    return [int(port) for port in machine["ssh.ports"].split()]


@operation()
def load(*, settings: Settings) -> Generator[Run]:
    """Load the firewall, now and at each boot, where it is not in force; keep it if the host answers."""
    machine = look()
    text = rules(ssh_ports(machine), open_tcp(settings), open_udp(settings))
    unit = host_file.text(UNIT)
    if (
        host_file.is_as(text, RULES, machine)
        and host_file.is_as(unit, UNIT, machine)
        and machine["unit.flights-mlops-firewall.service"]
        and machine["firewall.loaded"] == machine["firewall.listed"]
        and not machine["trial"]
    ):
        host.noop("the firewall is in force")
        return
    yield from package.installation(machine, settings, package.FIREWALL)
    yield Trial("firewall", unit, text=text, change="its firewall")


@operation()
def remove() -> Generator[Run]:
    """Remove what ``load`` has put on the host."""
    if not look()[f"file.{RULES}"]:
        host.noop("there is none")
        return
    yield Run("firewall_off")
