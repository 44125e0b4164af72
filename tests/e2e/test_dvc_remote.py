"""Tasks push to DVC's remote and pull from it: a directory of the host, and a bucket with its credentials."""

import json
import os
from collections.abc import Iterator, Mapping

import pytest

from .airflow import Airflow, airflow
from .bucket import Bucket, bucket
from .caches import Caches
from .canary import INSPECT, singing
from .checkout import Checkout
from .command import Finished
from .containers import containers, ids
from .gated import current_release
from .machine import Machine
from .secret import CONFIGURATION
from .test_refusals import matching

LOUD = ("-vvv", "--debug", "--diff")
KEPT = f"{CONFIGURATION}/secrets/aws_credentials"
DAG = '''\
"""What one task has pushed, the next one pulls, with nothing of it left in data or cache."""

from airflow.sdk import dag, task


@dag(schedule=None, is_paused_upon_creation=False)
def remote() -> None:
    @task.bash
    def push() -> str:
        make = "echo {{ run_id }} >data/e2e.csv; dvc add --quiet data/e2e.csv"
        return f"workspace sh -ec '{make}; dvc push data/e2e.csv.dvc'"

    @task.bash
    def pull() -> str:
        lose = "rm -r data/e2e.csv .dvc/cache"
        return f"workspace sh -ec '{lose}; dvc pull --quiet data/e2e.csv.dvc; cat data/e2e.csv'"

    push() >> pull()


remote()
'''


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """Copy the project, with the DAG above."""
    made = Checkout(tmp_path_factory.mktemp("remote") / "clone")
    made.write("dags/remote.py", DAG)
    return made


@pytest.fixture(scope="module")
def served(package_caches: Caches) -> Iterator[Bucket]:
    """Serve a bucket where the machine reaches it."""
    with bucket(package_caches.address) as found:
        yield found


def deploy(machine: Machine, checkout: Checkout, settings: Mapping[str, str], *arguments: str, **env: str) -> Finished:
    """Type the deploy of these settings, with these variables exported; others of AWS are not."""
    given = [word for name, value in settings.items() for word in ("--data", f"{name}={value}")]
    none = {name: "" for name in os.environ if name.startswith("AWS_")}
    return machine.pyinfra("deploy.py", *given, *arguments, checkout=checkout.path, env=none | env)


def transferred(machine: Machine, api: Airflow) -> None:
    """Run the DAG; what comes back is what was sent."""
    # A run of the release before would ask for the remote of that release.
    api.wait_for_release(current_release(machine))
    run_id = api.run("remote")
    assert api.state("remote", run_id) == "success"
    pulled = api.get(f"dags/remote/dagRuns/{run_id}/taskInstances/pull/xcomEntries/return_value")
    assert pulled["value"] == run_id


def test_a_directory_of_the_host(machine: Machine, checkout: Checkout) -> None:
    """It is made for the stack's user, and has what was pushed; no other service sees it."""
    done = deploy(machine, checkout, {"dvc_remote": "/srv/dvc/flights"})
    assert done.returncode == 0, done.stdout + done.stderr
    with airflow(machine) as api:
        transferred(machine, api)
    uid = machine.run("id --user flights-mlops").stdout.strip()
    assert machine.sudo("stat --format '%u %a' /srv/dvc/flights").stdout == f"{uid} 750\n"
    assert len(machine.sudo("find /srv/dvc/flights/files -type f").stdout.splitlines()) == 1
    having = {
        name
        for name, found in containers(machine).items()
        if "/srv/dvc/flights" in {mount["Destination"] for mount in found["Mounts"]}
    }
    assert having == {"airflow-scheduler"}


def test_a_directory_that_tasks_cannot_write_to_is_refused(machine: Machine, checkout: Checkout) -> None:
    """The line names it and the way out; it stays whose it was."""
    machine.sudo("install -d /srv/theirs && touch /srv/theirs/file")
    for directory, words in (("/srv/theirs", "chown"), ("/srv/theirs/file", "is not a directory")):
        done = deploy(machine, checkout, {"dvc_remote": directory})
        said = (done.stdout + done.stderr).partition("--> Hosts:")[0].splitlines()
        assert done.returncode != 0
        assert len(matching(said, machine.name, directory, words)) == 1, said
    assert machine.sudo("stat --format '%u %a' /srv/theirs").stdout == "0 755\n"


def test_a_bucket_without_credentials_is_refused(machine: Machine, checkout: Checkout) -> None:
    """The line names what is to be exported."""
    done = deploy(machine, checkout, {"dvc_remote": "s3://flights/dvc"})
    said = (done.stdout + done.stderr).partition("--> Hosts:")[0].splitlines()
    assert done.returncode != 0
    assert len(matching(said, machine.name, "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")) == 1, said


def test_a_bucket(machine: Machine, checkout: Checkout, served: Bucket) -> None:
    """The keys come from the environment of whoever deploys; then they are in one file, and nowhere else."""
    settings = {"dvc_remote": "s3://flights/dvc", "dvc_endpoint": served.endpoint}
    first = dict(served.keys)
    done = deploy(machine, checkout, settings, *LOUD, **served.keys)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    with airflow(machine) as api:
        transferred(machine, api)
        assert len(served.objects()) == 1

        # A colleague who has no keys deploys: they stay.
        again = deploy(machine, checkout, settings, "--json")
        assert json.loads(again.stdout)["results"]["totals"]["success"] == 0, again.stdout

        # Other keys reach the tasks, and nothing is restarted for them.
        running = ids(machine)
        served.rotate()
        done = deploy(machine, checkout, settings, *LOUD, **served.keys)
        said += done.stdout + done.stderr
        assert done.returncode == 0, said
        assert ids(machine) == running
        transferred(machine, api)

    canaries = {
        f"{pair} {name}": value
        for pair, keys in {"first": first, "second": served.keys}.items()
        for name, value in keys.items()
    }
    assert machine.sudo(f"stat --format '%a' {KEPT}").stdout == "440\n"
    assert singing(machine.sudo(f"cat {KEPT}").stdout, canaries) == {name for name in canaries if "second" in name}
    patterns = " ".join(f"-e {value}" for value in canaries.values())
    found = machine.sudo(f"grep -rlF {patterns} /opt/flights-mlops /var/lib/flights-mlops", check=False)
    assert (found.returncode, found.stdout) == (1, "")
    for text in (said, machine.sudo(INSPECT).stdout):
        assert singing(text, canaries) == set()


def test_what_no_release_needs_goes(machine: Machine, checkout: Checkout) -> None:
    """The credentials stay while there is a release with the bucket to go back to; what was pushed stays."""
    done = deploy(machine, checkout, {})
    assert done.returncode == 0, done.stdout + done.stderr
    assert machine.sudo(f"cat {KEPT}").stdout.startswith("[default]\n")
    with airflow(machine) as api:
        # Runs of that one need the one with the bucket no more.
        api.wait_for_release(current_release(machine))
    machine.deploy("--data", "keep_releases=1")
    assert machine.sudo(f"test -e {KEPT}", check=False).returncode == 1
    assert machine.sudo("find /srv/dvc/flights/files -type f").stdout
