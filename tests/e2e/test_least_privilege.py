"""What the services may do on their host, as the kernel and the engine say it: what they need, no more."""

from typing import Any

from .airflow import airflow
from .checkout import Checkout
from .containers import containers, ids
from .host import Host
from .machine import Machine

MAY_WRITE = {"airflow-scheduler"}  # tasks run in it
GIB = 1 << 30
STATE = "/var/lib/flights-mlops"


def secrets(*names: str) -> dict[str, tuple[str, bool]]:
    """Return the mounts of these secrets, which nobody can write."""
    return {f"/run/secrets/{name}": (f"/etc/flights-mlops/secrets/{name}", False) for name in names}


def state(*names: str, writable: bool = True) -> dict[str, tuple[str, bool]]:
    """Return the mounts of these directories that tasks write to."""
    return {f"{STATE}/{name}": (f"{STATE}/{name}", writable) for name in names}


AIRFLOW = {
    "/opt/flights-mlops": ("/opt/flights-mlops", False),
    **secrets("api_secret_key", "fernet_key", "jwt_secret", "sql_alchemy_conn"),
}
# What each service has of its host, by where it has it: the source, and whether it may write there.
BINDS = {
    "postgres-airflow": secrets("postgres_password"),
    "airflow-webserver": AIRFLOW | state("logs", writable=False),
    "airflow-dag-processor": AIRFLOW | state("logs"),
    # DVC follows no links: in the tree that it works in, these are directories.
    "airflow-scheduler": AIRFLOW
    | state("data", "logs", "models", "workspace")
    | {f"{STATE}/workspace/{name}": (f"{STATE}/{name}", True) for name in ("data", "models")},
}


def status(host: Host, container: dict[str, Any]) -> list[dict[str, str]]:
    """Return what the kernel says of each process in a container."""
    listed = host.sudo(
        f"for pid in $(docker top {container['Id']} -o pid | tail -n +2); do cat /proc/$pid/status || true; echo; done"
    ).stdout
    blocks = [block.splitlines() for block in listed.split("\n\n") if block.strip()]
    return [dict(line.split(":\t", 1) for line in block if ":\t" in line) for block in blocks]


def test_no_process_is_root_nor_can_become_it(host: Host) -> None:
    """No user id 0, no capability and no way to gain one, in any process of any service."""
    for name, container in containers(host).items():
        processes = status(host, container)
        assert processes, name
        for process in processes:
            about = f"{name}: {process['Name']}"
            assert "0" not in process["Uid"].split(), about
            capabilities = {process[kind] for kind in ("CapPrm", "CapEff", "CapBnd", "CapAmb")}
            assert capabilities == {"0" * 16}, about
            assert process["NoNewPrivs"] == "1", about
            assert process["Seccomp"] == "2", about


def test_no_service_reaches_the_engine_or_more_of_the_host(host: Host) -> None:
    """No socket of Docker, no namespace or device, and of the host's files what each has to have."""
    found = containers(host)
    assert found.keys() == BINDS.keys()
    for name, container in found.items():
        settings = container["HostConfig"]
        assert not settings["Privileged"], name
        assert not settings["Devices"], name
        assert "host" not in {settings[kind] for kind in ("NetworkMode", "PidMode", "IpcMode", "UTSMode")}
        binds = {
            mount["Destination"]: (mount["Source"], mount["RW"])
            for mount in container["Mounts"]
            if mount["Type"] == "bind"
        }
        assert binds == BINDS[name], name


def test_the_code_and_the_system_cannot_be_changed_from_within(host: Host) -> None:
    """Writing to a service's own file system fails where no tasks run, and to the release everywhere."""
    for name, container in containers(host).items():
        places = ["/opt/flights-mlops/current/dags"] if name != "postgres-airflow" else []
        if name not in MAY_WRITE:
            places += ["/etc", "/usr/local/bin", "/var/lib", "/root"]
        for place in places:
            tried = host.sudo(f"docker exec --user root {container['Id']} touch {place}/written", check=False)
            assert tried.returncode, f"{name} wrote to {place}"
            assert "Read-only file system" in tried.stderr + tried.stdout, name


def test_no_service_takes_the_whole_machine(host: Host) -> None:
    """Memory and processes are limited, by the kernel: 1 GiB a service, and what is left for the tasks."""
    kib = int(host.run("sed -nE 's/^MemTotal: +([0-9]+) kB/\\1/p' /proc/meminfo").stdout)
    for name, container in containers(host).items():
        settings = container["HostConfig"]
        memory = settings["Memory"]
        assert (GIB <= memory < kib * 1024) if name == "airflow-scheduler" else memory == GIB, name
        assert settings["PidsLimit"] == 4096, name
        pid = container["State"]["Pid"]
        group = host.sudo(f"cat /proc/{pid}/cgroup").stdout
        assert container["Id"] in group, name


def test_only_airflow_reaches_the_database(host: Host) -> None:
    """Its network has no way out, and a container that is not on it finds no way in."""
    found = containers(host)
    database = found["postgres-airflow"]
    networks = database["NetworkSettings"]["Networks"]
    assert list(networks) == ["flights-mlops_database"]
    address = networks["flights-mlops_database"]["IPAddress"]
    image = found["airflow-webserver"]["Config"]["Image"]

    def connects(network: str) -> bool:
        tried = host.sudo(
            f"docker run --rm --network {network} {image} timeout 3 bash -c '</dev/tcp/{address}/5432'",
            check=False,
        )
        return tried.returncode == 0

    assert connects("flights-mlops_database")
    assert not connects("flights-mlops_default")
    assert not connects("bridge")
    routes = host.sudo(f"cat /proc/{database['State']['Pid']}/net/route").stdout.splitlines()[1:]
    assert [route for route in routes if route.split()[1] == "00000000"] == []


HUNGRY = '''\
"""A DAG whose task wants more memory than it may have."""

from airflow.sdk import dag, task


@dag(schedule=None, is_paused_upon_creation=False)
def hungry() -> None:
    """Take a GiB."""

    @task
    def take() -> int:
        return len(bytearray(1 << 30))

    take()


hungry()
'''


def test_a_task_that_takes_too_much_ends_alone(bookworm: Machine, checkout: Checkout) -> None:
    """What takes more than `task_memory` fails, as Airflow says; no service is started anew."""
    checkout.write("dags/hungry.py", HUNGRY)
    try:
        bookworm.deploy(checkout=checkout.path)
        with airflow(bookworm) as api:
            assert api.state("hungry", api.run("hungry")) == "success", "with enough memory it works"
        bookworm.deploy("--data", "task_memory=700m", "--data", "parallelism=2", checkout=checkout.path)
        before = ids(bookworm)
        with airflow(bookworm) as api:
            assert api.state("hungry", api.run("hungry")) == "failed"
            assert api.state("flights_bronze", api.run("flights_bronze")) == "success"
        assert ids(bookworm) == before
    finally:
        bookworm.as_deployed()
