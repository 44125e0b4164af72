"""What runs on a host, and what would have to change: as judge.sh says, which alone decides it."""

from __future__ import annotations

from dataclasses import dataclass, field

from pyinfra.api import StringCommand

from deploy.core.facts import Fact, MalformedLineError, look, table

OK = "ok"
SEVERAL = "several"


@dataclass(frozen=True)
class Found:
    """The stack of a host."""

    services: dict[str, str] = field(default_factory=dict)
    """The verdict on each service that there is or should be, by its name; see judge.sh."""
    migrated: str = ""
    """The image that last initialised the database, which volume that was, and "demoted"; or nothing."""
    volume: str = ""
    """When the database's volume was made, or nothing."""
    certificate_missing: bool = False
    """Whether Caddy has asked for a certificate and has none yet."""

    @property
    def due(self) -> list[str]:
        """The services that are not as they should be."""
        return sorted(name for name, verdict in self.services.items() if verdict != OK)

    @property
    def runs(self) -> bool:
        """Whether any service has a container."""
        return any(verdict != "missing" for verdict in self.services.values())


@dataclass(frozen=True)
class Configuration:
    """The compose file and the .env of a release. pyinfra prints what facts are given: this only says what it is."""

    compose: str = ""
    env: str = ""

    def __str__(self) -> str:
        """Say what it is, and nothing of the settings in it."""
        return "of another release" if self.compose else "of the current release"


class State(Fact[Found]):
    """The stack, judged by the current release, or by the configuration of another one."""

    def command(self, configuration: Configuration = Configuration()) -> StringCommand:
        """Return the command."""
        return look("stack/judge", "stack/state", compose=configuration.compose, env=configuration.env)

    def read(self, lines: list[str]) -> Found:
        """Read the command's output."""
        services: dict[str, str] = {}
        values: dict[str, str] = {}
        for line in lines:
            key, _, value = line.partition(" ")
            if key == "service":
                ((name, _, verdict, *_),) = table([value], r"\S+", r"\S+", r"[a-z]+", r"\d+", r"\S+")
                # Of two, as an interrupted deploy leaves them, none is as it should be.
                services[name] = SEVERAL if name in services else verdict
            elif key in values or key not in {"migrated", "volume", "certificate"}:
                raise MalformedLineError(line)
            else:
                values[key] = value
        return Found(services, values.get("migrated", ""), values.get("volume", ""), "certificate" in values)
