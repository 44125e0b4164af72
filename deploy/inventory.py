"""What the inventory says of the host in context: the one border that its data cross."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError
from pyinfra import host
from pyinfra.api.arguments import all_global_arguments
from pyinfra.api.exceptions import DeployError
from pyinfra.connectors.ssh import SSHConnector

from deploy.settings import MAY_HOLD_A_PASSWORD, Settings


def load(data: Mapping[str, Any], *, where: str) -> tuple[Settings, list[str]]:
    """Read the settings out of plain inventory data.

    Returns the settings and the faults, one sentence each, naming ``where`` and the key. A setting
    with a fault keeps its default, so that what else is wrong with a host can be found as well.
    """
    try:
        return Settings.model_validate(data), []
    except ValidationError as invalid:
        errors = invalid.errors(include_url=False, include_context=False)
    faults = [_sentence(error, where) for error in errors]
    wrong = {str(error["loc"][0]) for error in errors}
    # Of two that belong together, the other is left out then as well; of that nothing more is to be said.
    settings, _ = load({key: value for key, value in data.items() if key not in wrong}, where=where)
    return settings, faults


def _sentence(error: Any, where: str) -> str:
    key, *inner = (str(part) for part in error["loc"])
    if error["type"] == "extra_forbidden":
        near = difflib.get_close_matches(key, Settings.model_fields, n=1)
        hint = f'did you mean "{near[0]}"?' if near else "deploy/settings.py lists those there are."
        return f'{where}: there is no setting "{key}"; {hint}'
    at = f'setting "{key}"' + "".join(f"[{part}]" for part in inner)
    reason = re.sub("^(Value error,|Input|String) ", "", error["msg"])
    given = "" if key in MAY_HOLD_A_PASSWORD else f", but is {error['input']!r}"
    return f"{where}: {at} {reason}{given}."


def of_host() -> tuple[Settings, list[str]]:
    """Read the settings of the host in context, and their faults; pyinfra's own keys are left out."""
    # Those of SSH for every host: --ssh-user, or a group's data, says them of @local too.
    connectors = (host.connector.data_cls, SSHConnector.data_cls)
    pyinfras = {name for name, _ in all_global_arguments()}.union(
        *(data.__annotations__ for data in connectors)
    )
    given = host.data.dict()  # type: ignore[no-untyped-call] # pyinfra has no types here
    data = {key: value for key, value in given.items() if key not in pyinfras}
    return load(data, where=host.name)


def current() -> Settings:
    """Return the settings of the host in context.

    Raises ``DeployError``, with all faults at once, where the inventory is wrong.
    """
    settings, faults = of_host()
    if faults:
        raise DeployError("\n".join(faults))
    return settings
