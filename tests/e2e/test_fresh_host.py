"""A host with nothing on it, and one command: what is there then."""

import io
import json

import polars as pl
import psycopg2
import pytest

from .airflow import Airflow, airflow
from .containers import address, containers, health
from .host import Host

SERVICES = {"postgres-airflow", "airflow-webserver", "airflow-scheduler", "airflow-dag-processor"}
SECRETS = "/etc/flights-mlops/secrets"
STATE = "/var/lib/flights-mlops"
DAG = "flights_bronze"
ROWS = 271_888


@pytest.fixture(scope="module")
def run_id(host: Host) -> str:
    """Return the id of a run of the pipeline that was triggered through the API and has ended."""
    with airflow(host) as api:
        return api.run(DAG)


def test_every_service_is_healthy(host: Host) -> None:
    """The services of the documentation run, no more and no fewer, and each says that it is well."""
    assert health(host) == dict.fromkeys(SERVICES, "healthy")


def test_airflow_calls_itself_healthy(host: Host) -> None:
    """The API answers on the host's loopback, and its body says that all is well, not its status alone."""
    with airflow(host) as api:
        parts = api.get("monitor/health")
    services = ("metadatabase", "scheduler", "dag_processor")
    assert {name: parts[name]["status"] for name in services} == dict.fromkeys(services, "healthy")


def test_only_the_deployed_password_opens_it(host: Host) -> None:
    """A login with the deployed password works, and one with another does not."""
    with airflow(host) as api:
        assert api.log_in() == 201
        assert api.log_in("not the password") == 401
        assert (api.password == "airflow") == (host.name == "localhost")  # noqa: S105 - as documented


def test_the_pipeline_runs_and_leaves_its_rows(host: Host, run_id: str) -> None:
    """A triggered run succeeds, and the table and its report are on the host."""
    with airflow(host) as api:
        assert api.state(DAG, run_id) == "success"
    table = pl.read_parquet(io.BytesIO(host.fetch(f"{STATE}/data/bronze/flights.parquet")))
    assert table.height == ROWS
    assert set(table["flightType"].unique()) == {"firstClass", "economic", "premium"}
    assert json.loads(host.fetch(f"{STATE}/data/reports/bronze/flights.json"))


def test_the_run_is_in_the_database(host: Host, run_id: str) -> None:
    """Airflow's own database, asked in SQL, knows the run and that it went well."""
    password = host.fetch(f"{SECRETS}/postgres_password").decode()
    with host.tunnel(5432, address(host, "postgres-airflow")) as (server, port):
        connection = psycopg2.connect(host=server, port=port, user="airflow", password=password, dbname="airflow")
        with connection, connection.cursor() as cursor:
            cursor.execute("SELECT dag_id, state FROM dag_run WHERE run_id = %s", (run_id,))
            assert cursor.fetchall() == [(DAG, "success")]
        connection.close()


@pytest.mark.usefixtures("run_id")
def test_nothing_that_airflow_writes_is_roots(host: Host) -> None:
    """All that runs write is the service user's, as whom the containers run; on localhost the login's."""
    login = host.run("id --user").stdout.strip()
    own = "50000" if login == "0" else login
    uid = own if host.name == "localhost" else host.run("id --user flights-mlops").stdout.strip()
    users = {name: found["Config"]["User"].split(":")[0] for name, found in containers(host).items()}
    assert {user for name, user in users.items() if name.startswith("airflow-")} == {uid}
    others = host.sudo(f"find {STATE}/data {STATE}/models {STATE}/logs ! -user {uid} -ls").stdout
    assert others == ""
    found = host.sudo(f"find {STATE}/data {STATE}/logs -type f | wc -l").stdout
    assert int(found) > 2, "the run wrote nothing there"


def test_ports_are_open_on_loopback_only(host: Host) -> None:
    """The UI is the one published port, and no other machine reaches it."""
    published = {
        f"{binding['HostIp']}:{binding['HostPort']}"
        for found in containers(host).values()
        for bindings in found["HostConfig"]["PortBindings"].values()
        for binding in bindings
    }
    assert published == {"127.0.0.1:8080"}
    assert "0.0.0.0:8080" not in host.sudo("ss --listening --tcp --numeric --no-header").stdout


def test_logs_of_containers_are_capped(host: Host) -> None:
    """No container can fill the disk with its log, and each comes back after a reboot."""
    for name, found in containers(host).items():
        options = found["HostConfig"]["LogConfig"]["Config"]
        assert {"max-size", "max-file"} <= options.keys(), name
        assert found["HostConfig"]["RestartPolicy"]["Name"] == "unless-stopped", name


def test_secrets_stay_secret(host: Host) -> None:
    """What was generated is readable by root and the stack alone, and is in no output and no environment."""
    names = host.sudo(f"ls {SECRETS}").stdout.split()
    assert {"admin_password", "postgres_password"} <= set(names)
    environments = json.dumps([found["Config"] for found in containers(host).values()])
    said = host.first_deploy.stdout + host.first_deploy.stderr
    for name in names:
        assert host.sudo(f"stat --format %a {SECRETS}/{name}").stdout.strip() in {"440", "600"}, name
        value = host.fetch(f"{SECRETS}/{name}").decode().strip()
        if value != "airflow":
            assert value not in said, name
            assert value not in environments, name


def test_the_first_deploy_says_where_the_ui_is(host: Host) -> None:
    """The deploy ends with the address and the login; a password that was generated is not shown."""
    said = host.first_deploy.stdout + host.first_deploy.stderr
    assert "http://localhost:8080" in said
    assert ("airflow / airflow" in said) == (host.name == "localhost")


def test_the_api_refuses_strangers(host: Host) -> None:
    """Without a login the API gives nothing away."""
    with host.tunnel(8080) as (server, port):
        stranger = Airflow(f"http://{server}:{port}", "")
        assert stranger.request("GET", "/api/v2/dags").status_code == 401
