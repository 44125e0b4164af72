"""The user that the stack runs as: over SSH nobody's login, on the control node whoever deploys."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from deploy.service_user import ServiceUser, User, problems_of

See = Callable[..., User]


@pytest.mark.parametrize(("taken", "uid"), [((), 999), (("999",), 998), (("999", "998"), 997)])
def test_over_ssh_it_is_a_user_of_its_own(machine: Path, see: See, taken: tuple[str, ...], uid: int) -> None:
    """A system user, whose id is known before it is made; then it is the one that was made."""
    passwd = machine / "etc/passwd"
    for other in taken:
        passwd.write_text(f"{passwd.read_text()}u{other}:x:{other}:{other}::/:/usr/sbin/nologin\n")
    assert see(ServiceUser, guarded=True) == User(uid)
    passwd.write_text(f"{passwd.read_text()}flights-mlops:x:321:321::/nonexistent:/usr/sbin/nologin\n")
    assert see(ServiceUser, guarded=True) == User(321, "/usr/sbin/nologin")


def test_on_the_control_node_it_is_whoever_deploys(machine: Path, see: See, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or whose the data is that there is; never root."""
    monkeypatch.delenv("SUDO_UID", raising=False)
    assert see(ServiceUser, guarded=False) == User(50000)
    monkeypatch.setenv("SUDO_UID", "1000")
    assert see(ServiceUser, guarded=False) == User(1000)
    data = machine / "var/lib/flights-mlops/data"
    data.mkdir(parents=True)
    assert see(ServiceUser, guarded=False) == User(1000)
    os.chown(data, 1234, 0)
    assert see(ServiceUser, guarded=False) == User(1234)


@pytest.mark.parametrize("shell", ["/bin/bash", "/bin/sh"])
def test_a_user_who_can_log_in_is_a_problem(shell: str) -> None:
    """One of that name may be a person."""
    (problem,) = problems_of(User(1000, shell))
    assert shell in problem
    assert "rename that user" in problem
    assert problems_of(User(999)) == problems_of(User(999, "/usr/sbin/nologin")) == []


def test_a_user_without_a_shell_in_passwd_has_one(machine: Path, see: See) -> None:
    """It is sh, by passwd(5)."""
    passwd = machine / "etc/passwd"
    passwd.write_text(f"{passwd.read_text()}flights-mlops:x:321:321::/nonexistent:\n")
    assert see(ServiceUser, guarded=True) == User(321, "/bin/sh")
