"""The host in context: how it is reached, and what the inventory says of it."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Mapping
from typing import Any, cast

from pydantic import ValidationError
from pyinfra import host
from pyinfra.api import Host
from pyinfra.api.arguments import all_global_arguments
from pyinfra.api.exceptions import DeployError
from pyinfra.connectors.local import LocalConnector
from pyinfra.connectors.ssh import SSHConnector

from deploy.settings import MAY_HOLD_A_PASSWORD, Settings

KEY = "flights_mlops_settings"


def needs_sudo(of: Host) -> bool:
    """Whether commands have to go through sudo to be root's: unless the user who logs in is root."""
    connector = of.connector
    if isinstance(connector, LocalConnector):
        return os.geteuid() != 0
    if isinstance(connector, SSHConnector) and connector.client is not None:
        transport = connector.client.get_transport()
        return transport is None or transport.get_username() != "root"
    return True


def is_local(of: Host) -> bool:
    """Whether the host is the control node itself."""
    return isinstance(of.connector, LocalConnector)


def is_remote(of: Host) -> bool:
    """Whether the host is reached over SSH: a developer's own machine is not the deploy's to guard."""
    return isinstance(of.connector, SSHConnector)


def is_cut_off(of: Host) -> bool:
    """Whether the connection to the host was there and is lost."""
    connector = of.connector
    if not isinstance(connector, SSHConnector) or connector.client is None:
        return False
    transport = connector.client.get_transport()
    return transport is None or not transport.is_active()


def load(data: Mapping[str, Any], *, where: str) -> tuple[Settings, list[str]]:
    """Read the settings out of plain inventory data.

    Returns the settings and the problems, one sentence each, naming ``where`` and the key. A setting
    with a problem keeps its default, so that what else is wrong with a host can be found as well.
    """
    try:
        return Settings.model_validate(data), []
    except ValidationError as invalid:
        errors = invalid.errors(include_url=False, include_context=False)
    problems = [_sentence(error, where) for error in errors]
    wrong = {str(error["loc"][0]) for error in errors}
    # Of two that belong together, the other is left out as well; its problem would only repeat the first.
    settings, _ = load({key: value for key, value in data.items() if key not in wrong}, where=where)
    return settings, problems


def _sentence(error: Any, where: str) -> str:
    key, *inner = (str(part) for part in error["loc"])
    if error["type"] == "extra_forbidden":
        near = difflib.get_close_matches(key, Settings.model_fields, n=1)
        hint = f'did you mean "{near[0]}"?' if near else "docs/settings.md lists all settings."
        return f'{where}: unknown setting "{key}"; {hint}'
    at = f'setting "{key}"' + "".join(f"[{part}]" for part in inner)
    reason = re.sub("^(Value error,|Input|String) ", "", error["msg"])
    if reason.startswith("requires "):
        return f"{where}: {at} = {error['input']!r} {reason}."
    given = "" if key in MAY_HOLD_A_PASSWORD else f", but is {error['input']!r}"
    return f"{where}: {at} {reason}{given}."


def settings_and_problems() -> tuple[Settings, list[str]]:
    """Return the settings of the host in context, read once a run, and what is wrong with them.

    pyinfra's own keys are left out.
    """
    if KEY not in host.connector_data:
        # Those of SSH for every host: --ssh-user, or a group's data, says them of @local too.
        connectors = (host.connector.data_cls, SSHConnector.data_cls)
        pyinfras = {name for name, _ in all_global_arguments()}.union(*(data.__annotations__ for data in connectors))
        given = host.data.dict()  # type: ignore[no-untyped-call] # pyinfra has no types here
        data = {key: value for key, value in given.items() if key not in pyinfras}
        host.connector_data[KEY] = load(data, where=host.name)
    return cast("tuple[Settings, list[str]]", host.connector_data[KEY])


def settings() -> Settings:
    """Return the settings of the host in context.

    Raises ``DeployError``, with all problems at once, where the inventory is wrong.
    """
    found, problems = settings_and_problems()
    if problems:
        raise DeployError("\n".join(problems))
    return found
