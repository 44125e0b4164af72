"""No secret gets out: not into output, not to other users of the host, whatever is deployed or fails."""

import re
import secrets
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from .caches import Caches
from .canary import WATCH, ask, places, singing, watched
from .checkout import Checkout
from .command import ROOT
from .gated import current_release
from .machine import Machine
from .secret import secrets_of

# Every way to make pyinfra talk.
LOUD = ("-vvv", "--debug", "--diff")
WAYS = (("-v", "--diff"), ("-vv", "--json"), LOUD, ("--dry", "--diff", "-v"), ("--dry", "--json"))
PYTHON = "flights-mlops-python:3.13-trixie-debian-packages-2"
# Fails in a process that has every secret at hand, with what Airflow and SQLAlchemy print of that.
FAILING_QUERY = """\
#!/opt/venv/bin/python3
from airflow.settings import engine
with engine.connect() as connection:
    connection.exec_driver_sql("select nonsense")
"""
IN_THE_OPEN = "in the open"
# What pyinfra prints, and the processes of this machine; what canary.places looks at on the other.
PLACES = ("output", "here", "processes", "files", "engine", "logs", "histories")
KEEPER = """
useradd --create-home --shell /bin/bash keeper
echo 'keeper ALL=(ALL) ALL' >/etc/sudoers.d/keeper
install -d -o keeper -m 0700 /home/keeper/.ssh
install -o keeper -m 0600 /home/debian/.ssh/authorized_keys /home/keeper/.ssh/authorized_keys
"""


def generated(names: tuple[str, ...]) -> dict[str, str]:
    """Return a new canary of each name."""
    return {name: secrets.token_urlsafe(18) for name in names}


class Story:
    """A machine on which everything is done that deals with secrets, and all that is to be seen of it."""

    def __init__(self, machine: Machine, caches: Caches) -> None:
        """Plant the canaries in the inventory; the machine's own secrets are canaries as they are."""
        self.machine, self.said = machine, ""
        names = ("sudo password", "wrong sudo password", "index password", "mirror password", IN_THE_OPEN)
        self.canaries = generated(names)
        self.index = caches.python.replace("://", f"://someone:{self.canaries['index password']}@")
        self.note()

    def note(self) -> None:
        """Note the secrets that the machine has now; those it had before are to stay secret too."""
        found = secrets_of(self.machine).items()
        self.canaries |= {f"{name} {value[:2]}…": value for name, value in found if name != "sql_alchemy_conn"}

    def inventory(self, sudo_password: str) -> Path:
        """Write an inventory whose user needs this password for sudo."""
        mirror = f"http://someone:{self.canaries['mirror password']}@127.0.0.1:9/debian"
        return self.machine.write_inventory(
            self.machine.directory / "keeper.py",
            ssh_user="keeper",
            _sudo_password=self.canaries[sudo_password],
            python_index_url=self.index,
            debian_mirror=mirror,
        )

    def types(self, *arguments: str, checkout: Path = ROOT, fails: bool = False, mistyped: bool = False) -> str:
        """Type a command, and keep what it says."""
        done = self.machine.pyinfra(
            *arguments,
            checkout=checkout,
            inventory=self.inventory("wrong sudo password" if mistyped else "sudo password"),
        )
        said = done.stdout + done.stderr
        self.said += said
        assert (done.returncode != 0) == fails, f"{arguments}:\n{said}"
        return said


def sing_in_the_open(story: Story) -> None:
    """Put a canary everywhere it should not be, for moments or for good: the search has to find it."""
    canary = story.canaries[IN_THE_OPEN]
    story.types("exec", "-vvv", "--", f"sh -c ': {canary}; sleep 3; echo {canary}'")
    story.machine.run(
        f"echo {canary} | base64 >/tmp/in-the-open && sleep 15 && rm /tmp/in-the-open; "
        f"echo {canary} >>~/.bash_history; logger {canary}"
    )
    story.machine.sudo(f"docker volume create --label canary={canary} in-the-open")


def deploy_loudly(story: Story) -> None:
    """Do what changes nothing, in every way to be loud; and what does, in the loudest."""
    for way in WAYS:
        story.types("deploy.py", *way)
    for step in ("deploy.database.dump", "deploy.status.history", "deploy.lock.show", "deploy.rollback.to"):
        story.types(step, *LOUD, *([f"release={current_release(story.machine)}"] if "rollback" in step else []))


def fail_loudly(story: Story, checkout: Checkout) -> None:
    """Fail wherever a deploy can: at sudo, at each image, at a DAG, at the database."""
    story.types("deploy.py", *LOUD, fails=True, mistyped=True)
    story.machine.sudo(f"docker tag {PYTHON} kept && docker rmi {PYTHON}")
    try:
        story.types("deploy.base_images.ensure", *LOUD, "--data", "base_images=debian", fails=True)
    finally:
        story.machine.sudo(f"docker tag kept {PYTHON} && docker rmi kept")

    image = (checkout.path / "requirements/image.txt").read_text()
    checkout.write("files/images/initialise", FAILING_QUERY)
    checkout.write("dags/broken.py", "from airflow.sdk import dag\nimport no_such_module\n")
    story.types("deploy.release.upload", *LOUD, checkout=checkout.path)
    story.types("deploy.images.build", *LOUD, checkout=checkout.path)
    assert "no_such_module" in story.types("deploy.stack.check", *LOUD, checkout=checkout.path, fails=True)
    assert "nonsense" in story.types("deploy.stack.migrate", *LOUD, checkout=checkout.path, fails=True)

    # With the index for real: one package, and then the same with a hash that is not its own.
    package = re.search(r"^(typing-extensions==\S+).*?\n(?=\S)", image, re.MULTILINE | re.DOTALL)
    assert package
    wrong = f"{package[1]} --hash=sha256:{'0' * 64}\n"
    for requirement in (package[0], wrong):
        checkout.write("requirements/image.txt", requirement)
        story.types("deploy.release.upload", checkout=checkout.path)
        story.types("deploy.images.build", *LOUD, checkout=checkout.path, fails=requirement == wrong)


@contextmanager
def watched_here(output: Path) -> Iterator[None]:
    """Watch the processes of this machine, which deploys."""
    with output.open("wb") as file, subprocess.Popen(["perl", WATCH, "processes"], stdout=file) as watching:
        try:
            yield
        finally:
            watching.terminate()


@pytest.fixture(scope="module")
def seen(
    trixie: Machine, package_caches: Caches, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, set[str]]]:
    """Deploy, fail and rotate, loudly, while the machine is watched; gives the canaries seen in each place.

    The unmodified project is on the machine after it.
    """
    here = tmp_path_factory.mktemp("here") / "processes"
    trixie.as_deployed()
    trixie.sudo(KEEPER)
    found = Story(trixie, package_caches)
    assert ask(trixie, "sudo chpasswd", f"keeper:{found.canaries['sudo password']}\n") == ""
    try:
        with watched(trixie), watched_here(here):
            sing_in_the_open(found)
            deploy_loudly(found)
            fail_loudly(found, Checkout(tmp_path_factory.mktemp("secrets") / "clone"))
            found.types("deploy.credentials.rotate", *LOUD)
            found.note()
            found.types("deploy.py", *LOUD)
        texts = places(trixie, found.canaries) | {
            "output": found.said,
            "here": here.read_text(errors="replace"),
        }
        yield {place: singing(text, found.canaries) for place, text in texts.items()}
    finally:
        trixie.deploy()
        trixie.sudo("userdel --remove keeper; rm /etc/sudoers.d/keeper; docker volume rm in-the-open")


@pytest.mark.parametrize("place", PLACES)
def test_what_is_in_the_open_is_found(seen: dict[str, set[str]], place: str) -> None:
    """Else it would prove nothing that no other canary is."""
    assert IN_THE_OPEN in seen[place]


@pytest.mark.parametrize("place", PLACES)
def test_no_secret_is_seen(seen: dict[str, set[str]], place: str) -> None:
    """Neither one that is in use, nor one that was."""
    assert seen[place] - {IN_THE_OPEN} == set()
