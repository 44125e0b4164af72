"""The same command again: a deploy with nothing to change changes nothing."""

import json

from .containers import ids
from .host import Host

# All that a deploy may write, with the time of the last change of each file. Data and logs are the runs' own.
FILES = """
find /etc /opt /usr /var/lib/dpkg /var/lib/apt -xdev -printf '%p %i %T@ %C@\\n' | sort
find /var/lib/flights-mlops -maxdepth 1 -printf '%p %i %T@ %C@\\n' | sort
docker images --no-trunc --quiet | sort
docker volume ls --quiet | sort
"""
BY_OTHERS = ("/etc/resolv.conf", "/etc/hosts")


def files(host: Host) -> set[str]:
    """Return every file with its times, every image and volume; not what others than deploys write."""
    return {line for line in host.sudo(FILES).stdout.splitlines() if not line.startswith(BY_OTHERS)}


def test_a_second_deploy_changes_nothing(host: Host) -> None:
    """Containers, files, images and volumes stay as they are, and every operation says "no change"."""
    host.deploy()
    before, running = files(host), ids(host)
    done = host.deploy("--json")
    totals = json.loads(done.stdout)["results"]["totals"]
    assert totals["no_change"] > 5
    assert (totals["success"], totals["error"]) == (0, 0), done.stdout
    assert ids(host) == running
    assert sorted(files(host) ^ before) == []


def test_a_dry_run_changes_nothing(host: Host) -> None:
    """`--dry` says what would be done, here a new setting, and does none of it."""
    host.as_deployed()
    before, running = files(host), ids(host)
    host.deploy("--dry", "--data", "parallelism=5")
    assert ids(host) == running
    assert sorted(files(host) ^ before) == []
