"""The stack's secrets: generated and rotated on the host, or given by the operator; never shown or fetched."""

from __future__ import annotations

from collections.abc import Generator

from pyinfra import host
from pyinfra.api import StringCommand
from pyinfra.api.exceptions import DeployError

from deploy import service_user
from deploy.core import hosts
from deploy.core.facts import ask
from deploy.core.run import Run, StackRun
from deploy.core.step import deploy, operation
from deploy.credentials import facts
from deploy.credentials.facts import DIRECTORY, STAGED, Secrets
from deploy.credentials.table import GENERATED, Secret
from deploy.settings import Settings

# The password of a control node that deploys to itself, until it is rotated.
DEFAULT_LOGIN = "airflow"


@deploy("Credentials")
def ensure() -> None:
    """Generate missing secrets and deliver those given by the operator, readable by the service user alone.

    The login of a control node that deploys to itself is airflow / airflow, because only its own loopback address
    reaches it; any other host, and one with a domain, gets a generated password.
    """
    settings = hosts.settings()
    login = DEFAULT_LOGIN if hosts.is_local(host) and not settings.domain else ""
    _generate(name="Generate missing secrets", login=login)
    _deliver(name="Deliver secrets given by the operator", settings=settings, _sudo=hosts.needs_sudo(host))


@deploy("Credentials")
def rotate(*, secret: str = "") -> None:
    """Rotate the named secrets (comma-separated), or all of them.

    The services that use them are stopped when their tasks have ended, and started again; rotating the admin password
    stops nothing.
    """
    hosts.settings()  # which say how long tasks may take
    try:
        chosen = facts.chosen(str(secret))
    except ValueError as error:
        raise DeployError(f"{host.name}: {error}") from error
    if not ask(Secrets).has_stack:
        raise DeployError(f"{host.name}: no stack is deployed here; deploy first.")
    _rotate(name=f"Rotate {', '.join(one.name for one in chosen)}", chosen=chosen)


@deploy("Credentials")
def prune() -> None:
    """Remove secrets that the operator gave and that no release on the host uses any more."""
    _prune(name="Remove unused secrets", settings=hosts.settings(), _sudo=hosts.needs_sudo(host))


def problems() -> list[str]:
    """Return what is wrong with the host's secrets, or with those that the operator gives, and never their values."""
    settings, _ = hosts.settings_and_problems()
    found = ask(Secrets)
    return facts.lost(found) + facts.login_problems(found, settings) + facts.given_problems(found, settings)


def _make(directory: str, secrets: tuple[Secret, ...], login: str = "") -> Run:
    names, sizes = [secret.name for secret in secrets], [str(secret.size) for secret in secrets]
    return Run("credentials/make", uid=service_user.uid(), directory=directory, names=names, sizes=sizes, login=login)


@operation()
def _generate(*, login: str) -> Generator[StringCommand]:
    """Generate missing secrets, correct owners and modes, and finish a rotation that was cut short."""
    found = ask(Secrets)
    if lost := facts.lost(found):
        raise DeployError("\n".join(f"{host.name}: {problem}" for problem in lost))
    is_complete = facts.is_complete(found, service_user.uid())
    is_cut_short = found.is_rotating and found.has_stack
    if is_complete and not is_cut_short:
        host.noop("already generated")
    if not is_complete:
        yield _make(DIRECTORY, GENERATED, login)
    if is_cut_short:
        yield _make(STAGED, ())
        yield StackRun("credentials/rotate", start=False)


@operation()
def _deliver(*, settings: Settings) -> Generator[StringCommand]:
    """Write the given secrets that are missing on the host or other there."""
    due = facts.due(ask(Secrets), settings)
    if not due:
        host.noop("up to date")
    uid = service_user.uid()
    for name, text in due:
        file, size = f"{DIRECTORY}/{name}", len(text.encode())
        yield Run("credentials/deliver", file=file, size=size, uid=uid, stdin=text)


@operation(is_idempotent=False)
def _rotate(*, chosen: tuple[Secret, ...]) -> Generator[StringCommand]:
    """Generate new values, and have the services use them."""
    yield _make(STAGED, chosen)
    yield StackRun("credentials/rotate", start=True)


@operation()
def _prune(*, settings: Settings) -> Generator[StringCommand]:
    """Remove the given secrets that no release mounts; one that does may be rolled back to."""
    superfluous = facts.superfluous(ask(Secrets), settings)
    if not superfluous:
        host.noop("nothing to remove")
    for name in superfluous:
        yield StringCommand("rm", "--force", f"{DIRECTORY}/{name}")
