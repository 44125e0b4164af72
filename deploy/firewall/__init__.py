"""The firewall of a host, which holds for the ports that Docker publishes as well."""

from __future__ import annotations

from collections.abc import Generator

from pyinfra import host
from pyinfra.api import StringCommand

from deploy import packages
from deploy.core import hosts
from deploy.core.facts import ask
from deploy.core.step import deploy, operation
from deploy.core.trial import Trial, roll_back
from deploy.firewall.facts import LISTED, RULES, SERVICE, UNIT, Firewall, is_in_force, wanted


@deploy("Firewall")
def close() -> None:
    """Block inbound ports other than SSH and open_ports, including published container ports. Not on @local."""
    if not hosts.is_remote(host):
        return
    sudo = hosts.needs_sudo(host)
    if hosts.settings().firewall:
        _close(name="Load the firewall", _sudo=sudo)
    else:
        _remove(name="Remove the firewall of an earlier deploy", _sudo=sudo)


@operation()
def _close() -> Generator[StringCommand]:
    """Load the firewall, now and at each boot; keep it if a second connection works."""
    settings, state = hosts.settings(), ask(Firewall)
    texts = wanted(settings, state)
    if is_in_force(state, texts):
        host.noop("already in force")
        return
    if not state.installed:
        yield packages.installation([packages.FIREWALL], lock_timeout=settings.apt_lock_timeout)
    yield Trial("firewall/apply", undo="firewall/undo", files=texts, also=[LISTED], change="the firewall")


@operation()
def _remove() -> Generator[StringCommand]:
    """Remove what ``_close`` has put on the host, the rules last: a removal that is cut short is done again."""
    state = ask(Firewall)
    if not state.exists:
        host.noop("not configured")
        return
    if state.files.pending:
        yield roll_back()
    yield StringCommand("systemctl disable --quiet --now", SERVICE, "|| true")
    yield StringCommand("rm --force", UNIT, "&& systemctl daemon-reload")
    yield StringCommand("nft 'add table inet flights_mlops; delete table inet flights_mlops'")
    yield StringCommand("rm --force", LISTED, RULES)
