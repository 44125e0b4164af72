"""Which release is gone back to, and why one is not."""

from dataclasses import replace

import pytest
from pyinfra.api import Host
from pyinfra.api.exceptions import DeployError

from deploy.release.facts import Found, OnHost
from deploy.rollback import target

# r-000000000003 runs, and r-000000000001 ran before it; r-000000000002 was changed by hand.
IMAGE = "flights-mlops-airflow:i-1"
FOUND = Found(
    releases={
        "r-000000000001": OnHost((IMAGE,)),
        "r-000000000002": OnHost((IMAGE,), is_changed=True),
        "r-000000000003": OnHost((IMAGE,)),
    },
    current="r-000000000003",
    started="r-000000000003",
    started_before="r-000000000001",
)


def refusal(found: Found, release: str) -> str:
    """Return why it is not gone back to a release."""
    with pytest.raises(DeployError) as caught:
        target(found, release)
    return str(caught.value)


@pytest.mark.usefixtures("local")
@pytest.mark.parametrize(
    ("release", "expected"),
    [("", "r-000000000001"), ("r-000000000001", "r-000000000001"), ("r-000000000003", "r-000000000003")],
    ids=["none", "another", "current"],
)
def test_the_release_before_or_the_one_that_is_named(release: str, expected: str) -> None:
    """The current one as well, which is then the one to be made sure of."""
    assert target(FOUND, release) == expected


@pytest.mark.usefixtures("local")
def test_after_a_deploy_that_failed_the_one_that_runs_is_before() -> None:
    """The current one was switched to and never came up."""
    failed = replace(FOUND, current="r-000000000003", started="r-000000000001", started_before="r-000000000002")
    assert target(failed, "") == "r-000000000001"


def test_an_error_names_host_and_releases(local: Host) -> None:
    """One sentence each: what is wrong, and which others there are, without the current one."""
    assert local.name == "@local"
    others = "r-000000000001, r-000000000002"
    assert refusal(FOUND, "r-000000000009") == (
        f"@local: r-000000000009 is not on the host; besides the current one it has: {others}."
    )
    assert refusal(FOUND, "r-000000000002") == (
        f"@local: r-000000000002 was changed on the host; deploy it from a checkout, or name one of: {others}."
    )
    for crafted in ("../../var/lib/flights-mlops/data/r", "r-00000000000g", "r-000000000001\nr"):
        assert refusal(FOUND, crafted) == (f"@local: {crafted!a} is not a release name; name one of: {others}.")
    first = replace(FOUND, current="r-000000000003", started="r-000000000003", started_before="")
    assert refusal(first, "") == f"@local: no release ran before this one; name one of: {others}."
    alone = replace(first, releases={"r-000000000003": OnHost((IMAGE,))})
    assert refusal(alone, "") == "@local: no release ran before this one; name one of: none."


@pytest.mark.usefixtures("local")
def test_a_release_before_that_is_gone_is_refused() -> None:
    """By its name: it was removed by hand, because pruning keeps it."""
    gone = replace(FOUND, current="r-000000000003", started="r-000000000003", started_before="r-000000000000")
    assert refusal(gone, "").startswith("@local: r-000000000000 is not on the host;")
