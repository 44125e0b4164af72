"""What a host runs, said to a person."""

from __future__ import annotations

from collections.abc import Generator

from pyinfra import host
from pyinfra.api import FactBase, StringCommand
from pyinfra.connectors.local import LocalConnector

from deploy import script, summary
from deploy.configuration import CADDY_DIRECTORY, CONFIGURATION_ROOT
from deploy.inventory import current
from deploy.machine import look
from deploy.settings import Settings
from deploy.stack import out_of_date
from deploy.step import deploy, operation

HISTORY_TABS = 6
PASSWORD_FILE = f"{CONFIGURATION_ROOT}/secrets/admin_password"


@deploy("Status")
def show() -> None:
    """Say what runs, where the UI is and how to log in."""
    report(name="Say what runs and where the UI is", settings=current())


class History(FactBase[list[list[str]]]):
    """A host's memory of its deploys, oldest first: seven texts each, as ``record`` in claim.sh writes it."""

    def command(self) -> StringCommand:
        """Return the command."""
        return script.command("history")

    def process(self, output: list[str]) -> list[list[str]]:
        """Read the command's output."""
        return [line.split("\t") for line in output if line.count("\t") == HISTORY_TABS]


@deploy("Status")
def history() -> None:
    """Say what was deployed, when, from which commit, by whom and what for, the newest last."""
    recall(name="Say what was deployed")


@operation()
def recall() -> Generator[StringCommand]:
    """Print the host's memory of its deploys; change nothing."""
    if host.state.is_executing:
        for time, event, release, detail, commit, owner, message in host.get_fact(
            History, _sudo=script.needs_sudo(host)
        ):
            reason = f": {detail}" if detail != "-" else ""
            host.log(f"{time}  {event} {release}{reason}  by {owner} ({message}), commit {commit}")
    host.noop("only said what there is")
    yield from ()


@operation()
def report(*, settings: Settings) -> Generator[StringCommand]:
    """Print the summary; change nothing."""
    if host.state.is_executing:
        machine = look()
        summary.note_release(host, machine["current"])
        due = out_of_date(machine)
        state = f"not as wanted: {', '.join(due)}" if due else f"{len(machine.found)} services healthy"
        host.log(f"Release {machine['current'] or 'none'}: {state if machine.found else 'nothing runs'}")
        for line in _way_in(settings, known=bool(machine["login"])):
            host.log(line)
        if machine["proxy.certificate"] == "missing":
            host.log("It has no certificate yet; why not, says: docker logs flights-mlops-caddy-1")
    host.noop("only said what there is")
    yield from ()


def _way_in(settings: Settings, *, known: bool) -> list[str]:
    port, domain = settings.ui_port, settings.domain
    if isinstance(host.connector, LocalConnector):
        if domain:
            return _by_domain(domain, settings, "")
        password = " / airflow" if known else f"; password: sudo cat {PASSWORD_FILE}"
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
    said = [
        f"UI: https://{domain}",
        f"Log in as airflow; password: {there}sudo cat {PASSWORD_FILE}",
    ]
    if settings.tls == "internal":
        root = f"{CADDY_DIRECTORY}/pki/authorities/local/root.crt"
        said.append(f"Its authority, for browsers to trust: {there}sudo cat {root}")
    return said
