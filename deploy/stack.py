"""The running stack: its database migrated, its services up and healthy."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from pyinfra import host

from deploy import project, script
from deploy.configuration import Release
from deploy.inventory import current
from deploy.machine import Machine, look
from deploy.script import Run
from deploy.settings import Settings, limits
from deploy.step import deploy, operation


@deploy("Database")
def migrate() -> None:
    """Migrate the database and make the admin user: a gate, whose failure stops the deploy here."""
    initialise(name="Migrate the database and create the admin user")


@deploy("Stack")
def start() -> None:
    """Bring every service up, and wait until each says that it is healthy."""
    up(name="Start the services and wait until they are healthy", settings=current())


@operation()
def initialise() -> Generator[Run]:
    """Run ``airflow-init`` unless this image has already initialised this database."""
    machine, new = look(), project.wanted()
    if machine["migrated"] and machine["migrated"] == f"{new.image} {machine['volume']}":
        host.noop(f"the database is as {new.image} needs it")
        return
    yield Run("migrate", new.id, new.image, *limits(current()))


def out_of_date(machine: Machine) -> list[str]:
    """Return the services that are missing, not as compose would make them now, not healthy, or too many."""
    airflow_image = machine.images.get(machine.releases.get(machine["current"], ""))
    others = {"postgres-airflow": machine["POSTGRES_IMAGE"], "caddy": machine["CADDY_IMAGE"]}

    def is_due(name: str, config_hash: str) -> bool:
        found = machine.found.get(name)
        if found is None or found.hash != config_hash or not found.healthy:
            return True
        if name == "caddy" and machine["proxy.read"] != machine["proxy.configured"]:
            return True
        return found.image != (machine.images.get(others[name]) if name in others else airflow_image)

    due = [name for name, config_hash in machine.wanted.items() if is_due(name, config_hash)]
    return sorted([*due, *(machine.found.keys() - machine.wanted.keys())])


@operation()
def up(*, settings: Settings) -> Generator[Run]:
    """Start what is out of date; ``start_timeout`` later all is healthy, or what ran before is put back."""
    machine = look()
    if not host.state.is_executing and (new := project.wanted()).id != machine["current"]:
        say_what_is_due(machine, new)
    elif machine.found and machine.started == machine["current"] and not out_of_date(machine):
        host.noop("every service runs as configured and is healthy")
        return
    yield Run("start", *limits(settings))


def say_what_is_due(machine: Machine, new: Release) -> None:
    """Say, before a release is there, which services it would make anew; nothing changes."""
    asked = script.command("hashes", *new.configuration)
    given: Any = host.current_op_global_arguments or {}
    become = {"_sudo": script.needs_sudo(host), "_sudo_password": given.get("_sudo_password")}
    answered, output = host.run_shell_command(asked, **become)
    if not answered:  # without an engine, nothing runs
        host.log(f"{new.id} would start every service")
        return
    wanted = {tuple(line.split()) for line in output.stdout_lines}
    found = {(name, container.hash) for name, container in machine.found.items()}
    due = sorted({name for name, _ in wanted ^ found})
    host.log(f"{new.id} would replace {', '.join(due) or 'no service'}")
