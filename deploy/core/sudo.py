"""The password that sudo may want, on standard input: pyinfra would put it into the arguments of processes.

Those, every user of the host may read while they run. The shell that reads the password is there in any case,
so that it never reaches the command, whether sudo asks for it or not. With --debug, pyinfra would also print
it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import wraps
from typing import Any

from pyinfra import logger
from pyinfra.api import QuoteString, StringCommand
from pyinfra.connectors import util
from pyinfra.connectors.local import LocalConnector
from pyinfra.connectors.ssh import SSHConnector

NAME = util.SUDO_ASKPASS_ENV_VAR
READ = QuoteString(f'IFS= read -r {NAME}; export {NAME}; exec "$@"')
_make = util.make_unix_command


def password(host: Any, arguments: dict[str, Any]) -> str | None:
    """Return the password that sudo wants for a command, where one was given or asked for."""
    found: str | None = arguments.get("_sudo_password") or host.connector_data.get("prompted_sudo_password")
    return found


class Input:
    """What a command gets on standard input: a line with the password, if there is one, and the rest."""

    def __init__(self, connector: Any, arguments: dict[str, Any]) -> None:
        """Know who runs the command, and how."""
        self.host, self.arguments, self.rest = connector.host, dict(arguments), arguments.get("_stdin")

    def readlines(self) -> list[str]:
        """Return the lines. Asked just before they are written: by then pyinfra may have a password."""
        first = password(self.host, self.arguments)
        # Not even a line end of no text: what reads nothing may have ended by then, and writing would fail.
        rest = [self.rest] if self.rest and isinstance(self.rest, str) else list(self.rest or ())
        return [first, *rest] if first else rest


def make_unix_command(command: StringCommand, **arguments: Any) -> StringCommand:
    """Make the command as pyinfra does, and have its password read instead of written into it."""
    made = _make(command, **arguments)
    if not arguments.get("_sudo_password"):
        return made
    bits = [bit for bit in made.bits if not (isinstance(bit, StringCommand) and bit.bits[0] == NAME)]
    return StringCommand("sh", "-c", READ, "sh", *bits)


def _with_password(run: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(run)
    def run_shell_command(connector: Any, *positional: Any, **arguments: Any) -> Any:
        if arguments.get("_sudo"):
            arguments["_stdin"] = Input(connector, arguments)
        return run(connector, *positional, **arguments)

    return run_shell_command


def masked(record: logging.LogRecord) -> bool:
    """Have a record of pyinfra's log, which names all arguments of a step, say nothing of passwords."""
    if isinstance(record.args, tuple):
        record.args = tuple(
            {key: "*MASKED*" if "password" in str(key) and value else value for key, value in found.items()}
            if isinstance(found, dict)
            else found
            for found in record.args
        )
    return True


def keep_password_secret() -> None:
    """Have pyinfra do so, on this machine and over SSH; once is enough."""
    if util.make_unix_command is make_unix_command:
        return
    logger.addFilter(masked)
    util.make_unix_command = make_unix_command  # type: ignore[assignment] # any arguments are all of them
    for connector in (LocalConnector, SSHConnector):
        connector.run_shell_command = _with_password(connector.run_shell_command)  # type: ignore[method-assign]
