"""The one judge of what has to change in the stack, and what the deploy makes of its verdicts."""

import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from deploy.core.facts import MalformedLineError
from deploy.core.run import StackRun
from deploy.stack.facts import SEVERAL, Found, State

Run = Callable[..., "subprocess.CompletedProcess[str]"]
EXPECTED = """\
wanted airflow-scheduler h1
wanted airflow-webserver h2
image flights-mlops-airflow:i-1 sha256:old
image flights-mlops-airflow:i-2 sha256:new
"""
WELL = {
    "airflow-scheduler": "id1 running healthy 0 h1 sha256:new flights-mlops-airflow:i-2 2026-11-27T10:00:00Z",
    "airflow-webserver": "id2 running healthy 0 h2 sha256:new flights-mlops-airflow:i-2 2026-11-27T10:00:00Z",
}


@pytest.fixture
def verdicts(run: Run) -> Callable[..., dict[str, str]]:
    """Return a function that has the judge's verdicts on containers, a line each; further lines run before it."""

    def verdicts(*containers: str, before: str = "", expected: str = EXPECTED) -> dict[str, str]:
        listing = "".join(f"{line}\n" for line in containers)
        given = f"expected='{expected}'\ncontainers() {{ printf %s '{listing}'; }}"
        lines = f"{before}\n{given}\njudge | sed 's/^/service /'"
        done = run(
            "judge", preludes=StackRun.preludes, lines=lines, start_timeout=1, drain_timeout=1, overdue_tasks="wait"
        )
        assert done.returncode == 0, done.stdout
        return State().read(done.stdout.splitlines()).services

    return verdicts


def lines(**changed: str) -> list[str]:
    """Return the containers of a healthy stack, or others; a service's name has _ for -."""
    return [f"{name} {words}" for name, words in (WELL | {n.replace("_", "-"): w for n, w in changed.items()}).items()]


def test_nothing_is_due_where_all_is_well(verdicts: Callable[..., dict[str, str]]) -> None:
    """The second deploy changes nothing."""
    found = verdicts(*lines())
    assert found == {"airflow-scheduler": "ok", "airflow-webserver": "ok"}
    assert Found(found).due == []


@pytest.mark.parametrize(
    ("container", "verdict"),
    [
        ("id1 running healthy 0 h9 sha256:new flights-mlops-airflow:i-2 t", "replaced"),
        ("id1 running healthy 0 h1 sha256:old flights-mlops-airflow:i-2 t", "replaced"),
        ("id1 running healthy 0 h1 sha256:new flights-mlops-airflow:i-3 t", "replaced"),
        ("id1 running unhealthy 0 h1 sha256:new flights-mlops-airflow:i-2 t", "unhealthy"),
        ("id1 running starting 0 h1 sha256:new flights-mlops-airflow:i-2 t", "starting"),
        ("id1 running - 0 h1 sha256:new flights-mlops-airflow:i-2 t", "ok"),
        ("id1 exited - 0 h1 sha256:new flights-mlops-airflow:i-2 t", "exited"),
        ("id1 restarting healthy 7 h1 sha256:new flights-mlops-airflow:i-2 t", "restarting"),
        ("id1 paused healthy 0 h1 sha256:new flights-mlops-airflow:i-2 t", "paused"),
    ],
)
def test_the_verdict_on_a_container(verdicts: Callable[..., dict[str, str]], container: str, verdict: str) -> None:
    """Another configuration, another image, stopped or unhealthy: that service, and no other."""
    found = verdicts(*lines(airflow_scheduler=container))
    assert found == {"airflow-scheduler": verdict, "airflow-webserver": "ok"}
    assert Found(found).due == ([] if verdict == "ok" else ["airflow-scheduler"])


def test_services_that_are_missing_or_too_many(verdicts: Callable[..., dict[str, str]]) -> None:
    """A container that somebody removed; the triggerer that a setting no longer asks for; nothing at all."""
    triggerer = f"airflow-triggerer {WELL['airflow-scheduler']}"
    found = verdicts(lines()[0], triggerer)
    assert found == {"airflow-scheduler": "ok", "airflow-webserver": "missing", "airflow-triggerer": "superfluous"}
    assert Found(found).due == ["airflow-triggerer", "airflow-webserver"]
    nothing = verdicts()
    assert nothing == {"airflow-scheduler": "missing", "airflow-webserver": "missing"}
    assert not Found(nothing).runs


def test_two_containers_of_a_service_are_not_as_they_should_be(verdicts: Callable[..., dict[str, str]]) -> None:
    """An interrupted deploy leaves them."""
    assert verdicts(*lines(), lines()[0])["airflow-scheduler"] == SEVERAL


def test_a_scheduler_that_was_told_to_end_is_draining(verdicts: Callable[..., dict[str, str]]) -> None:
    """By an interrupted deploy: that one container, from that start on."""
    mark = "mkdir -p $state; echo 'id1 2026-11-27T10:00:00Z told' >$state/.draining"
    assert verdicts(*lines(), before=mark)["airflow-scheduler"] == "draining"
    restarted = lines(airflow_scheduler=WELL["airflow-scheduler"].replace("10:00", "11:00"))
    assert verdicts(*restarted, before=mark)["airflow-scheduler"] == "ok"


@pytest.mark.parametrize(("read", "verdict"), [("$(proxy_configuration)", "ok"), ("another", "unread"), ("", "unread")])
def test_caddy_that_has_not_read_its_configuration_is_due(
    verdicts: Callable[..., dict[str, str]], read: str, verdict: str
) -> None:
    """Its container is the same, whatever the files say that it reads."""
    before = f"mkdir -p $state $project/airflow; echo '  caddy:' >$compose_file; echo \"{read}\" >$state/.proxy"
    caddy = "caddy id3 running healthy 0 h3 sha256:caddy caddy:2 t"
    expected = EXPECTED + "wanted caddy h3\nimage caddy:2 sha256:caddy\n"
    assert verdicts(*lines(), caddy, before=before, expected=expected)["caddy"] == verdict


def test_the_state_of_a_stack_is_read() -> None:
    """Marks, the volume, and the verdicts."""
    listing = """\
migrated flights-mlops-airflow:i-2 2025-11-24T16:00:00Z demoted
volume 2025-11-24T16:00:00Z
certificate missing
service postgres-airflow id3 exited 2 -
service airflow-scheduler - missing 0 -"""
    assert State().read(listing.splitlines()) == Found(
        {"postgres-airflow": "exited", "airflow-scheduler": "missing"},
        migrated="flights-mlops-airflow:i-2 2025-11-24T16:00:00Z demoted",
        volume="2025-11-24T16:00:00Z",
        certificate_missing=True,
    )


@pytest.mark.parametrize(
    "line", ["volume now\nvolume then", "service a b", "service a b OK 0 -", "anything else", "service a id ok many -"]
)
def test_a_line_that_is_not_of_its_form_is_an_error(line: str) -> None:
    """Nothing is made of it, and no line can speak for one that was there before."""
    with pytest.raises(MalformedLineError):
        State().read(line.splitlines())


def test_a_bare_machine_has_no_stack(see: Callable[..., Any]) -> None:
    """No service, no mark, and no complaint."""
    assert see(State) == Found()
