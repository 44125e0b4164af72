"""The running stack: DAGs checked, database migrated, release switched, services started."""

from __future__ import annotations

import re
from collections.abc import Generator
from pathlib import Path

from pyinfra import host

from deploy import ports, release
from deploy.base_images.facts import Found, Images, chosen
from deploy.core import batch, hosts, summary
from deploy.core.facts import ask
from deploy.core.run import StackRun
from deploy.core.step import deploy, operation
from deploy.release.rendering import IMAGE, Release
from deploy.settings import Settings
from deploy.stack.facts import OK, Configuration, State

LATEST = f"{IMAGE}:latest"


@deploy("DAGs")
def check() -> None:
    """Import the DAGs of a release that has not run yet. If that fails, the deploy stops here."""
    _check(name="Import the DAGs of the release")


@deploy("Database")
def migrate() -> None:
    """Migrate the database and create the admin user. If that fails, the deploy stops here."""
    _migrate(name="Migrate the database and create the admin user")


@deploy("Release")
def activate() -> None:
    """Make the release the current one, at once."""
    _activate(name="Switch to the release")


@deploy("Stack")
def start() -> None:
    """Start every service, and wait until all are healthy."""
    _start(name="Start the services and wait until they are healthy")


def problems() -> list[str]:
    """Return what keeps the stack from running on the host in context."""
    settings, _ = hosts.settings_and_problems()
    batch.gather(lambda: ports.loopback_holder(settings.ui_port), lambda: ask(State), lambda: ask(Images))
    holder = ports.loopback_holder(settings.ui_port)
    found = [f"port {settings.ui_port} is taken by {holder}; stop it, or set ui_port to another."] if holder else []
    return found + database_problems(settings, ask(Images), has_volume=bool(ask(State).volume))


def database_problems(settings: Settings, images: Found, *, has_volume: bool) -> list[str]:
    """Return why the database's files would not be read by the image that is chosen, or nothing.

    PostgreSQL reads the files of its own major version; and the image built from Debian's packages has another user
    id and other locales than the registry's.
    """
    kept, new = images.used.get("POSTGRES", ""), chosen(settings.postgres_image, settings, images)
    if not has_volume or not kept or _kind(kept) == _kind(new):
        return []
    problem = (
        f"the database was made by {kept}, and {new} cannot read it; keep the former (settings postgres_image and "
        "base_images), or dump the database and start over."
    )
    return [problem]


def _kind(image: str) -> tuple[str, str]:
    name, _, tag = image.rpartition(":")
    return name, re.split(r"\D", tag, maxsplit=1)[0]


@operation()
def _check() -> Generator[StackRun]:
    """Import every DAG with the release's image. A host on which nothing ran yet has nothing to lose by them."""
    new, found = release.wanted(), release.on_host()
    if found.started in {"", new.id}:
        host.noop(f"{new.id} has started before" if found.started else "nothing has run yet")
    elif ask(State).services.get("postgres-airflow") not in {OK, "replaced"}:
        host.noop("skipped: the database is not running")
    else:
        yield StackRun("stack/check", release=new.id, image=new.image)


@operation()
def _migrate() -> Generator[StackRun]:
    """Run ``airflow-init`` unless this image has already initialised this database."""
    found, new = ask(State), release.wanted()
    # The last word is there once the role of the tasks is no superuser.
    if found.migrated and found.migrated == f"{new.image} {found.volume} demoted":
        host.noop(f"already migrated by {new.image}")
        return
    helper, take_over = ((Path(__file__).parent / f"{name}.sql").read_text() for name in ("helper", "take_over"))
    yield StackRun("stack/migrate", release=new.id, image=new.image, helper_sql=helper, take_over_sql=take_over)


@operation()
def _activate() -> Generator[StackRun]:
    """Point ``current`` at the release, and the alias of the image at its image."""
    new, found, images = release.wanted(), release.on_host(), ask(Images).images
    if found.current == new.id and new.image in images and images.get(LATEST) == images[new.image]:
        host.noop(f"{new.id} is the current release")
        return
    yield StackRun("stack/activate", release=new.id)


@operation()
def _start() -> Generator[StackRun]:
    """Start what is due; where not all is healthy within ``start_timeout``, roll back to what ran before."""
    found, state = release.on_host(), ask(State)
    if not host.state.is_executing and (new := release.wanted()).id != found.current:
        say_what_is_due(new)
    elif state.runs and found.started == found.current and not state.due:
        summary.note_release(host, found.current)
        host.noop("all services are up to date and healthy")
        return
    yield StackRun("stack/start")


def say_what_is_due(new: Release) -> None:
    """Say which services a release would replace that is not on the host yet; nothing changes."""
    name = new.id if release.is_final() else "the release"
    state = ask(State, configuration=Configuration(*new.configuration))
    if not state.services:  # without an engine, nothing runs
        host.log(f"{name} would start every service")
    else:
        host.log(f"{name} would replace {', '.join(state.due) or 'no service'}")
