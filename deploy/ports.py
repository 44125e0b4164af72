"""Who else listens on ports that the stack needs."""

from __future__ import annotations

from collections.abc import Sequence

from pyinfra.api import StringCommand

from deploy.core.facts import Fact, ask, look, table


class PortHolders(Fact[dict[int, str]]):
    """Who listens on ports, other than the stack; of ``loopback`` ports, only what blocks 127.0.0.1 counts."""

    def command(self, any_address: Sequence[str] = (), loopback: Sequence[str] = ()) -> StringCommand:
        """Return the command."""
        return look("ports", any=any_address, loopback=loopback)

    def read(self, lines: list[str]) -> dict[int, str]:
        """Read the command's output."""
        return {int(port): holder for port, holder in table(lines, r"\d+", ".*") if holder}


def holders(ports: Sequence[int]) -> dict[int, str]:
    """Return who listens on any address at these ports of the host in context, by port."""
    return ask(PortHolders, any_address=[str(port) for port in ports])


def loopback_holder(port: int) -> str:
    """Return who is in the way of listening on 127.0.0.1 at this port, or nothing."""
    return ask(PortHolders, loopback=[str(port)]).get(port, "")
