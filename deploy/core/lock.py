"""The lock of a host, as it is seen from here: one deploy at a time. Programs on the host take it (host.sh)."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass

from pyinfra import host
from pyinfra.api import Host, StringCommand
from pyinfra.api.command import PyinfraCommand
from typing_extensions import override

from deploy.core import batch, claim
from deploy.core.facts import Fact, ask, look, pairs
from deploy.core.run import CLAIMED, DEAD


@dataclass(frozen=True)
class Holder:
    """The deploy that has the lock; all fields are empty where nobody deploys."""

    token: str = ""
    client: str = ""
    since: str = ""
    owner: str = ""
    message: str = ""
    refusal: str = ""
    """What another deploy is told."""


class Lock(Fact[Holder]):
    """Who has the lock. A deploy whose session on the host has ended has none."""

    def command(self) -> StringCommand:
        """Return the command, which only reads."""
        return look("core/host", "core/lock", program="core/lock", token="")

    @override
    def read(self, lines: list[str]) -> Holder:
        words = dict.fromkeys(("token", "client", "since", "owner"), r"\S+")
        return Holder(**pairs(lines, **words, message=".*", refusal=".*"))


def holder() -> Holder | None:
    """Return who deploys to the host in context, this run included.

    Where that deploy ran on this control node and has ended, programs are told to take over from it: the host cannot
    know, because a connection that was cut off stays open there until sshd gives it up. Raises ``DeployError`` where
    the host does not answer.
    """
    found = ask(Lock)
    if claim.is_gone(found.client):
        host.connector_data[DEAD] = found.token
    return found if found.token else None


def look_first(of: Host, command: PyinfraCommand | None = None) -> Iterable[PyinfraCommand]:  # noqa: ARG001 - of each alike
    """Look, before this run locks the host, whether the deploy that has the lock has ended; return no command."""
    if CLAIMED not in of.connector_data:
        with suppress(*batch.ERRORS):  # what changes the host will meet the same error, and say it
            holder()
    return ()
