"""Which secrets are rotated, and what is said of the login after."""  # noqa: INP001 - a package of the name `deploy` would hide the real one

import pytest
import yaml
from pyinfra.api import Host
from pyinfra.api.exceptions import DeployError

from deploy import credentials, project, script, status
from deploy.configuration import ROOT
from deploy.settings import Settings


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ("", credentials.ROTATED),
        ("jwt_secret", ("jwt_secret",)),
        ("postgres_password, fernet_key", ("postgres_password", "fernet_key")),
    ],
)
def test_one_or_several_or_all(given: str, names: tuple[str, ...]) -> None:
    """As they are named; what is made of another secret follows that one."""
    assert credentials.chosen(given) == names
    assert "sql_alchemy_conn" not in credentials.ROTATED


@pytest.mark.parametrize("given", ["sql_alchemy_conn", "jwt", "jwt_secret,", "all"])
@pytest.mark.usefixtures("local")
def test_an_unknown_name_is_refused(given: str) -> None:
    """With the host, the name and those there are."""
    with pytest.raises(DeployError) as refused:
        credentials.chosen(given)
    assert str(refused.value).startswith("@local: no secret ")
    assert str(refused.value).endswith(f"can be rotated, only {', '.join(credentials.ROTATED)}.")


def test_the_limits_come_before_the_names() -> None:
    """As rotate.sh takes them."""
    text = (script.SCRIPTS / "rotate.sh").read_text()
    assert "uid=$1 start_timeout=$2 drain_timeout=$3 overdue_tasks=$4\nshift 4\n" in text


def test_the_known_login_is_said_only_where_it_is_one(local: Host) -> None:
    """After a rotation this machine has a generated password as well."""
    assert local.name == "@local"
    (known,) = status._way_in(Settings(), known=True)  # noqa: SLF001 - what is shown to a person
    assert known.endswith("log in as airflow / airflow")
    (generated,) = status._way_in(Settings(), known=False)  # noqa: SLF001
    assert "/ airflow" not in generated
    assert generated.endswith("password: sudo cat /etc/flights-mlops/secrets/admin_password")


def test_the_benchs_peer_wants_the_same_modes() -> None:
    """Else it changes what we have made, and the bench compares two hosts."""
    playbook = yaml.safe_load((ROOT / "bench/peers/ansible/playbook.yml").read_text())
    tasks = {task["name"]: task for task in playbook[0]["tasks"]}
    wanted = {
        "Make the directories": project.STATE_MODE,
        "Have the secrets readable by the stack's user alone": credentials.MODE,
    }
    assert {name: tasks[name]["ansible.builtin.file"]["mode"] for name in wanted} == {
        name: f"0{mode}" for name, mode in wanted.items()
    }
