"""Facts of our own: what counts as an answer, and what is said of a host that gives none."""

import os
import re
import shutil
import subprocess

import pytest
from pyinfra.api import StringCommand
from pyinfra.api.exceptions import DeployError

from deploy.core.facts import Access, Fact, MalformedLineError, no_access, pairs, table


class Numbers(Fact[list[int]]):
    """Numbers, one a line."""

    def command(self) -> StringCommand:
        """Return the command."""
        return StringCommand("seq", "3")

    def read(self, lines: list[str]) -> list[int]:
        """Read the command's output."""
        return [int(number) for (number,) in table(lines, r"\d+")]


def test_a_whole_answer_is_read() -> None:
    """The last line only says that it is whole; an empty answer is one as well."""
    assert Numbers().process(["1", "2", "."]) == [1, 2]
    assert Numbers().process(["."]) == []


@pytest.mark.usefixtures("local")
@pytest.mark.parametrize(
    ("output", "line"),
    [
        (["1", "two", "."], "'two'"),
        (["1", "2"], "'2'"),
        (["1", "\x1b[2J", "."], r"'\x1b[2J'"),
        (["1", "2\x00", "."], r"'2\x00'"),
        (["1", "é", "."], r"'\xe9'"),
    ],
    ids=["not of its form", "cut off", "escape code", "control code", "not ASCII"],
)
def test_an_answer_that_is_not_of_its_form_is_an_error(output: list[str], line: str) -> None:
    """It names the host, the fact and the line, and prints nothing that a terminal would obey."""
    with pytest.raises(DeployError, match=re.escape(f"@local: unexpected line {line} in the fact Numbers")):
        Numbers().process(output)


def test_pairs_speak_once_and_for_themselves() -> None:
    """A key that comes twice, is unknown, or has a value of another form is an error."""
    assert pairs(["a 1", "b two words", "c "], a=r"\d+", b=".*", c=".*", d="x") == {"a": "1", "b": "two words", "c": ""}
    for lines in (["a 1", "a 1"], ["e 1"], ["a one"], ["a 1 2"], [""]):
        with pytest.raises(MalformedLineError):
            pairs(lines, a=r"\d+")


def test_rows_have_their_columns() -> None:
    """The last one may have spaces."""
    assert table(["x 1 two words"], r"[xy]", r"\d", ".*") == [("x", "1", "two words")]
    for line in ("x 1", "z 1 -", "x 12 -"):
        with pytest.raises(MalformedLineError):
            table([line], r"[xy]", r"\d", ".*")


@pytest.mark.parametrize(
    ("kind", "way_out"),
    [
        ("none", "log in as root, or install sudo."),
        ("password", "pass the password with --same-sudo-password, or log in as root."),
        ("sudo", "see the error above)."),
        ("", "see the error above)."),
    ],
)
def test_a_host_that_does_not_answer_has_one_problem(kind: str, way_out: str) -> None:
    """It is about the user who logs in, where that is why."""
    problem = no_access(kind, with_password=False)
    assert problem.endswith(way_out)
    assert "\n" not in problem


def test_how_a_user_becomes_root_is_asked_without_being_root() -> None:
    """The command as root, and as somebody who may not even read root's files."""

    def found(**user: int) -> str:
        command = ["sh", "-c", str(Access().command())]
        return subprocess.run(command, capture_output=True, text=True, check=True, cwd="/", **user).stdout.strip()

    if os.geteuid() != 0:
        assert found() in {"none", "password", "sudo"}
        return
    assert found() == "root"
    assert found(user=65534, group=65534) == ("password" if shutil.which("sudo") else "none")
