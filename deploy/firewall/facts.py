"""What the firewall should be, and what it is on a host."""

from __future__ import annotations

from dataclasses import dataclass, field

from pyinfra.api import StringCommand

from deploy.core import files, paths, template
from deploy.core.facts import Fact, by_kind, look, pairs, table
from deploy.settings import Settings

RULES = f"{paths.CONFIGURATION}/firewall.nft"
LISTED = f"{paths.CONFIGURATION}/firewall.listed"
"""The hash of the rules as nft listed them when they were loaded."""
SERVICE = "flights-mlops-firewall.service"
UNIT = f"/etc/systemd/system/{SERVICE}"
# Where a cloud tells a machine about itself, and gives it the keys of its role: AWS, Azure, Google and most others,
# Azure's second one, Alibaba; by IPv6 AWS, Google, Scaleway. fe80::/10 is never forwarded.
METADATA_V4 = ("169.254.0.0/16", "168.63.129.16", "100.100.100.200")
METADATA_V6 = ("fd00:ec2::254", "fd20:ce::254", "fd00:42::42")
# Connections to SSH from one address: at once, and a minute after these. A deploy makes four at most, a person who
# tries something out dozens in a minute, and who guesses hundreds.
BURST, RATE = 30, 30
HTTPS = 443


@dataclass(frozen=True)
class FirewallState:
    """The firewall of a host as it was found."""

    files: files.Files = field(default_factory=files.Files)
    ssh_ports: tuple[int, ...] = ()
    """The ports that sshd listens on, and that this connection came in at."""
    installed: bool = False
    """Whether nft is."""
    enabled: bool = False
    """Whether it is loaded at each boot."""
    unchanged: bool = False
    """Whether the rules in force are those that were loaded."""

    @property
    def exists(self) -> bool:
        """Whether any of its files does."""
        return bool(self.files.hashes)


class Firewall(Fact[FirewallState]):
    """The firewall."""

    def command(self) -> StringCommand:
        """Return the command, which only reads."""
        return look(files.PROGRAM, "firewall/firewall", files=[RULES, UNIT])

    def read(self, lines: list[str]) -> FirewallState:
        """Read its lines."""
        kinds = by_kind(lines, *files.KINDS, "port", "nft", "unit", "rules")
        return FirewallState(
            files.read(kinds),
            tuple(int(port) for (port,) in table(kinds["port"], r"\d+")),
            installed=bool(pairs(kinds["nft"], installed="")),
            enabled=bool(pairs(kinds["unit"], enabled="")),
            unchanged=bool(pairs(kinds["rules"], unchanged="")),
        )


def open_tcp(settings: Settings) -> list[int]:
    """Return the TCP ports that are open beside SSH."""
    return sorted({*settings.open_ports, *settings.public_ports})


def open_udp(settings: Settings) -> list[int]:
    """Return the UDP ports that are open: that of HTTP/3, where there is a domain."""
    return [HTTPS] if HTTPS in settings.public_ports else []


def rules(settings: Settings, ssh_ports: tuple[int, ...]) -> str:
    """Return the whole firewall, as nft reads it."""
    return template.text(
        "firewall/firewall.nft",
        ssh=ssh_ports,
        tcp=open_tcp(settings),
        udp=open_udp(settings),
        burst=BURST,
        rate=RATE,
        metadata_v4=() if settings.metadata_access else METADATA_V4,
        metadata_v6=() if settings.metadata_access else METADATA_V6,
    )


def wanted(settings: Settings, state: FirewallState) -> dict[str, str]:
    """Return the texts of the firewall's files, by path."""
    return {RULES: rules(settings, state.ssh_ports), UNIT: template.text("firewall/firewall.service")}


def is_in_force(state: FirewallState, texts: dict[str, str]) -> bool:
    """Whether the firewall of these files is in force, now and after a reboot."""
    return state.files.hold(texts) and not state.files.pending and state.enabled and state.unchanged
