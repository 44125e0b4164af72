"""Which release is gone back to, and why one is not."""  # noqa: INP001 - a package of the name `deploy` would hide the real one

from dataclasses import replace

import pytest
from pyinfra.api import Host
from pyinfra.api.exceptions import DeployError

from deploy.machine import Machine
from deploy.rollback import target

# r-3 runs, and r-1 ran before it; r-2 was changed by hand.
MACHINE = Machine(
    values={"current": "r-3", "started": "r-3 r-1"},
    releases=dict.fromkeys(["r-1", "r-2", "r-3"], "flights-mlops-airflow:i-1"),
    changed=frozenset({"r-2"}),
)


def refusal(machine: Machine, release: str) -> str:
    """Return why it is not gone back to a release."""
    with pytest.raises(DeployError) as caught:
        target(machine, release)
    return str(caught.value)


@pytest.mark.usefixtures("local")
@pytest.mark.parametrize(
    ("release", "found"), [("", "r-1"), ("r-1", "r-1"), ("r-3", "r-3")], ids=["none", "another", "current"]
)
def test_the_release_before_or_the_one_that_is_named(release: str, found: str) -> None:
    """The current one as well, which is then the one to be made sure of."""
    assert target(MACHINE, release) == found


@pytest.mark.usefixtures("local")
def test_after_a_deploy_that_failed_the_one_that_runs_is_before() -> None:
    """The current one was switched to and never came up."""
    failed = replace(MACHINE, values={"current": "r-3", "started": "r-1 r-2"})
    assert target(failed, "") == "r-1"


def test_an_error_names_host_and_releases(local: Host) -> None:
    """One sentence each: what is wrong, and which others there are, without the current one."""
    assert local.name == "@local"
    assert refusal(MACHINE, "r-9") == (
        "@local: r-9 is not there; beside the current one there are: r-1, r-2."
    )
    assert refusal(MACHINE, "r-2") == (
        "@local: r-2 was changed on the host; deploy it from a checkout, or name one of: r-1, r-2."
    )
    first = replace(MACHINE, values={"current": "r-3", "started": "r-3 "})
    assert refusal(first, "") == "@local: no release ran before this one; name one of: r-1, r-2."
    alone = replace(first, releases={"r-3": "flights-mlops-airflow:i-1"}, changed=frozenset())
    assert refusal(alone, "") == "@local: no release ran before this one; name one of: none."


@pytest.mark.usefixtures("local")
def test_a_release_before_that_is_gone_is_refused() -> None:
    """By its name: it was removed by hand, because pruning keeps it."""
    gone = replace(MACHINE, values={"current": "r-3", "started": "r-3 r-0"})
    assert refusal(gone, "").startswith("@local: r-0 is not there;")
