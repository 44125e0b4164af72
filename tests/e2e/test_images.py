"""Newer base images, got anew beside the old ones, and the services on them.

Each test goes on from where the last one ended.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from .airflow import airflow
from .containers import containers, health, ids
from .gated import current_release
from .machine import Machine

pytestmark = pytest.mark.slow

# The base images as they would be some months later: another one, made of other packages.
NAMES = "docker images --format '{{.Repository}}:{{.Tag}}'"
AGED = f"""
for image in $({NAMES} | grep -E '^flights-mlops-(python|postgres):'); do
  container=$(docker create $image) && docker cp /etc/hostname $container:/aged &&
  docker commit --change 'LABEL flights-mlops.packages=older' $container $image &&
  docker rm --volumes $container
done
"""
VOLUME = "docker volume inspect --format '{{.CreatedAt}}' flights-mlops_postgres-airflow-data"
DATED = re.compile(r"\.\d{8}T\d{6}$")


@dataclass
class Story:
    """A machine whose images have aged, and what was there before they were refreshed."""

    machine: Machine
    env: dict[str, str]
    release: str
    run: str
    bases: set[str]

    def type(self, *arguments: str) -> str:
        """Type a pyinfra command, which has to work; gives what it said."""
        done = self.machine.pyinfra(*arguments, env=self.env)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def images(self) -> set[str]:
        """Return the names of the machine's images."""
        return set(self.machine.sudo(NAMES).stdout.split())

    def database(self) -> tuple[str, str]:
        """Return which image the database runs on, by name, and which volume it has."""
        image = containers(self.machine)["postgres-airflow"]["Config"]["Image"]
        return image, self.machine.sudo(VOLUME).stdout

    def is_whole(self) -> bool:
        """Whether every service is healthy and the run of before is remembered."""
        with airflow(self.machine) as api:
            remembered = api.state("flights_bronze", self.run) == "success"
        return remembered and set(health(self.machine).values()) == {"healthy"}


@pytest.fixture(scope="module")
def story(bookworm: Machine, elsewhere: dict[str, str]) -> Iterator[Story]:
    """Have its base images age after a run; the project as it is is on it again after the tests."""
    bookworm.as_deployed()
    bookworm.sudo(AGED)
    with airflow(bookworm) as api:
        run = api.run("flights_bronze")
    bases = {name for name in bookworm.sudo(NAMES).stdout.split() if "-debian-packages" in name}
    yield Story(bookworm, elsewhere, current_release(bookworm), run, bases)
    bookworm.as_deployed()


def test_a_refresh_replaces_what_has_aged(story: Story) -> None:
    """Every service runs on images that were made anew; the volume, runs and data are the same."""
    name, volume = story.database()
    before = {service: found["Image"] for service, found in containers(story.machine).items()}
    data = story.machine.sudo("find /var/lib/flights-mlops/data -type f | sort").stdout
    said = story.type("deploy.images.refresh")
    assert re.search(r"Images: Airflow 0 days old, Python 0 days, PostgreSQL 0 days\n", said), said
    assert story.is_whole()
    after = {service: found["Image"] for service, found in containers(story.machine).items()}
    assert not set(before.values()) & set(after.values())
    newer, same = story.database()
    assert DATED.sub("", newer) == DATED.sub("", name) != newer
    assert same == volume
    assert story.machine.sudo("find /var/lib/flights-mlops/data -type f | sort").stdout == data
    database = "docker exec flights-mlops-postgres-airflow-1 test ! -e /aged"
    assert story.machine.sudo(database, check=False).returncode == 0
    assert current_release(story.machine) != story.release
    assert story.bases < story.images(), "the release before has to keep its own"


def test_a_deploy_after_it_changes_nothing(story: Story) -> None:
    """It takes the newest images that are on the host, which are those that run."""
    running = ids(story.machine)
    done = json.loads(story.machine.deploy("--json", env=story.env).stdout)
    assert done["results"]["totals"]["success"] == 0
    assert ids(story.machine) == running


def test_nothing_newer_is_no_newer_image(story: Story) -> None:
    """The same packages again are the same image."""
    before = story.machine.sudo("docker images --no-trunc --quiet | sort").stdout
    said = story.type("deploy.images.renew")
    assert said.count("has Debian's newest packages") == 2, said
    assert story.machine.sudo("docker images --no-trunc --quiet | sort").stdout == before


def test_the_way_back_leads_to_the_older_images(story: Story) -> None:
    """The release before names what it ran on, and that is still there."""
    story.type("deploy.rollback.to")
    assert current_release(story.machine) == story.release
    assert story.database()[0] in story.bases
    assert story.is_whole()


def test_older_images_go_with_their_releases(story: Story) -> None:
    """Once no release names them, and no sooner: the way back led to them."""
    story.type("deploy.py", "--data", "parallelism=5", "--data", "keep_releases=1")
    left = {name for name in story.images() if "-debian-packages" in name}
    assert not left & story.bases
    assert len(left) == len(story.bases)
    assert story.is_whole()
