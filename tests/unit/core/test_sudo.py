"""The password of sudo is in no argument, and the command's own input is left as it is."""

import os
import re
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pyinfra import logger
from pyinfra.api import StringCommand
from pyinfra.connectors import util
from pyinfra.connectors.local import LocalConnector
from pyinfra.connectors.ssh import SSHConnector

import config
from deploy.core import sudo

PASSWORD = "it's a $ecret"  # noqa: S105 - made up for the test
# As sudo does with -A: asks the helper for the password, and runs the command with what is left of the input.
SUDO = '#!/bin/sh\n$SUDO_ASKPASS >$ASKED\nwhile [ "$1" != sh ]; do shift; done\nexec "$@"\n'
ASKPASS = f'#!/bin/sh\nprintf "%s\\n" "${sudo.NAME}"\n'


def command(**arguments: Any) -> StringCommand:
    """Return how pyinfra has a command become root's."""
    return sudo.make_unix_command(StringCommand("cat"), _sudo=True, **arguments)


def test_it_is_what_pyinfra_does_once_its_configuration_is_read() -> None:
    """On this machine and over SSH."""
    assert config.sudo is sudo
    assert util.make_unix_command is sudo.make_unix_command
    for connector in (LocalConnector, SSHConnector):
        assert hasattr(connector.run_shell_command, "__wrapped__")


def test_the_log_says_nothing_of_the_password(caplog: pytest.LogCaptureFixture) -> None:
    """Where pyinfra logs what a step was called with, all else is there."""
    with caplog.at_level("DEBUG", "pyinfra"):
        logger.debug("Starting deploy %s (args=%r, data=%r)", "Stack", {"_sudo_password": PASSWORD, "x": 1}, {})
    assert caplog.messages == ["Starting deploy Stack (args={'_sudo_password': '*MASKED*', 'x': 1}, data={})"]


def test_the_password_is_not_in_the_command() -> None:
    """Neither as it is, nor quoted."""
    made = command(_sudo_password=PASSWORD, _sudo_askpass_path="/tmp/askpass").get_raw_value()  # noqa: S108
    assert "ecret" not in made
    assert "SUDO_ASKPASS=/tmp/askpass sudo -H -A -k" in made


def test_without_a_password_nothing_is_different() -> None:
    """Most who deploy need none."""
    assert command().get_raw_value() == "sudo -H -n sh -c cat"


@pytest.mark.parametrize("rest", [None, "", "one\ntwo", ["one", "two\n"]])
def test_the_command_gets_its_own_input(tmp_path: Path, rest: Any) -> None:
    """And sudo the password, whatever is in it."""
    for name, text in (("sudo", SUDO), ("askpass", ASKPASS)):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    connector = SimpleNamespace(host=SimpleNamespace(connector_data={}))
    arguments = {"_sudo_password": PASSWORD, "_stdin": rest}
    made = command(_sudo_password=PASSWORD, _sudo_askpass_path=str(tmp_path / "askpass")).get_raw_value()
    lines = sudo.Input(connector, arguments).readlines()
    done = subprocess.run(
        ["sh", "-c", made],
        input="".join(line if line.endswith("\n") else f"{line}\n" for line in lines),  # as write_stdin does
        env=os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}", "ASKED": str(tmp_path / "asked")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert (tmp_path / "asked").read_text() == f"{PASSWORD}\n"
    assert re.sub(r"\n$", "", done.stdout) == ("one\ntwo" if rest else "")


def test_a_password_that_pyinfra_asked_for_is_taken() -> None:
    """It asks when the first try has failed, and then tries the same command again."""
    connector = SimpleNamespace(host=SimpleNamespace(connector_data={}))
    assert sudo.Input(connector, {"_stdin": ""}).readlines() == []
    given = sudo.Input(connector, {"_stdin": "text"})
    assert given.readlines() == ["text"]
    connector.host.connector_data["prompted_sudo_password"] = PASSWORD
    assert given.readlines() == [PASSWORD, "text"]
