"""The file that says which Python index builds use, and what tasks get of it, on a machine of the test."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from deploy import outbound
from deploy.images.facts import File, Index, fingerprint

Run = Callable[..., Any]
UID = 1234
GIVEN = fingerprint("what is set")
PROXY = outbound.proxy_variables("http://jo:secret@proxy.example.com:3128")


@pytest.fixture
def write(run: Run) -> Callable[[str], None]:
    """Return a function that has the program write what follows from its standard input."""

    def write(text: str) -> None:
        done = run("images/write_index", stdin=text, uid=UID, given=GIVEN)
        assert done.returncode == 0, done.stdout
        assert done.stdout == ""

    return write


def tasks(machine: Path) -> dict[str, str]:
    """Return what tasks get, by the names of the variables; all of it readable by the service user alone."""
    files = list((machine / "etc/flights-mlops/secrets/tasks/host").iterdir())
    assert {(path.stat().st_uid, path.stat().st_mode & 0o777) for path in files} <= {(UID, 0o440)}
    return {path.name: path.read_text() for path in files}


def test_builds_and_tasks_get_the_index_that_is_set(write: Callable[[str], None], machine: Path) -> None:
    """Before that of the control node; one without TLS is trusted; builds have it in a file of root's."""
    write("http://jo:secret@one.example.com/simple\nhttps://other.example.com/simple\n")
    path = machine / "etc/flights-mlops/index.env"
    assert path.stat().st_mode & 0o777 == 0o600
    assert (machine / "etc/flights-mlops/secrets").stat().st_mode & 0o777 == 0o700
    url = "http://jo:secret@one.example.com/simple"
    assert tasks(machine) == {"PIP_INDEX_URL": url, "UV_DEFAULT_INDEX": url, "PIP_TRUSTED_HOST": "one.example.com"}


def test_tasks_reach_the_stack_without_the_proxy(write: Callable[[str], None], machine: Path) -> None:
    """By the names that its services have for each other; and all else through it."""
    write("\nhttps://other.example.com/simple\n" + PROXY)
    found = tasks(machine)
    assert found["PIP_INDEX_URL"] == "https://other.example.com/simple"
    assert found["https_proxy"] == found["HTTP_PROXY"] == "http://jo:secret@proxy.example.com:3128"
    assert found["NO_PROXY"] == found["no_proxy"] == "localhost,127.0.0.1,::1,airflow-webserver,postgres-airflow"


def test_what_is_no_longer_set_goes(write: Callable[[str], None], machine: Path) -> None:
    """And only what was written here."""
    write("\nhttps://other.example.com/simple\n" + PROXY)
    write("\n\n")
    assert tasks(machine) == {}


def test_the_file_is_known_by_what_it_was_made_of(
    write: Callable[[str], None], machine: Path, see: Callable[..., Any]
) -> None:
    """And its mode: one that others can read is written again."""
    assert see(Index) == File()
    write("https://one.example.com/simple\n\n")
    assert see(Index) == File("600", GIVEN)
    assert see(Index).is_current(GIVEN)
    assert not see(Index).is_current(fingerprint("something else"))
    (machine / "etc/flights-mlops/index.env").chmod(0o644)
    assert not see(Index).is_current(GIVEN)
