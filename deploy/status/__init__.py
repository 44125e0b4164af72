"""What a host runs, and what was deployed to it."""

from __future__ import annotations

from collections.abc import Generator
from datetime import UTC, datetime

from pyinfra import host
from pyinfra.api import StringCommand

from deploy import release
from deploy.base_images.facts import Images, ages
from deploy.core import claim, hosts, paths, summary
from deploy.core.facts import ask
from deploy.core.step import deploy, operation
from deploy.credentials.facts import Secrets
from deploy.settings import Settings
from deploy.stack.facts import State
from deploy.status.facts import History

PASSWORD_FILE = f"{paths.CONFIGURATION}/secrets/admin_password"


@deploy("Status")
def show() -> None:
    """Show what runs, how old its images are, where the UI is and how to log in."""
    _show(name="Show what runs and where the UI is", settings=hosts.settings())


@deploy("Status")
def history() -> None:
    """Show what was deployed, when, from which commit, by whom and what for, the newest last."""
    _history(name="Show what was deployed")


@operation()
def _history() -> Generator[StringCommand]:
    """Print the host's history; change nothing."""
    for event in ask(History):
        reason = f": {event.detail}" if event.detail != "-" else ""
        what = claim.one_line(f"{event.event} {event.release}{reason}")
        who = claim.one_line(f"by {event.owner} ({event.message}), commit {event.commit}")
        if host.state.is_executing:
            host.log(f"{event.time}  {what}  {who}")
    host.noop("read-only, nothing to change")
    yield from ()


@operation()
def _show(*, settings: Settings) -> Generator[StringCommand]:
    """Print the summary; change nothing."""
    found, state, images, secrets = release.on_host(), ask(State), ask(Images), ask(Secrets)
    if host.state.is_executing:
        summary.note_release(host, found.current)
        due = ", ".join(f"{name} ({state.services[name]})" for name in state.due)
        services = f"not up to date: {due}" if due else f"{len(state.services)} services healthy"
        host.log(f"Release {found.current or 'none'}: {services if state.runs else 'nothing runs'}")
        for line in _way_in(settings, is_default=secrets.is_default_login):
            host.log(line)
        airflow = found.releases[found.current].image if found.current in found.releases else ""
        if line := ages(airflow, images, settings, datetime.now(UTC)):
            host.log(line)
        if state.certificate_missing:
            host.log("No certificate yet; the reason is in: docker logs flights-mlops-caddy-1")
    host.noop("read-only, nothing to change")
    yield from ()


def _way_in(settings: Settings, *, is_default: bool) -> list[str]:
    port, domain = settings.ui_port, settings.domain
    if hosts.is_local(host):
        if domain:
            return _by_domain(domain, settings, "")
        password = " / airflow" if is_default else f"; password: sudo cat {PASSWORD_FILE}"
        return [f"UI: http://localhost:{port}  log in as airflow{password}"]
    user, address = host.data.get("ssh_user"), host.data.get("ssh_hostname") or host.name
    login = [f"{user}@{address}" if user else address]
    if ssh_port := host.data.get("ssh_port"):
        login = ["-p", str(ssh_port), *login]
    ssh = " ".join(login)
    if domain:
        return _by_domain(domain, settings, f"ssh {ssh} ")
    return [
        f"UI: http://localhost:{port}  through: ssh -L {port}:127.0.0.1:{port} {ssh}",
        f"Log in as airflow; password: ssh {ssh} sudo cat {PASSWORD_FILE}",
    ]


def _by_domain(domain: str, settings: Settings, there: str) -> list[str]:
    lines = [
        f"UI: https://{domain}",
        f"Log in as airflow; password: {there}sudo cat {PASSWORD_FILE}",
    ]
    if settings.tls == "internal":
        root = f"{paths.CADDY}/pki/authorities/local/root.crt"
        lines.append(f"Root certificate to import in browsers: {there}sudo cat {root}")
    return lines
