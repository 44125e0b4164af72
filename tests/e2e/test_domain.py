"""The stack under a domain: HTTPS by Caddy, and a webserver that is replaced while others use it."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from .airflow import airflow
from .authority import Authority
from .browser import chromium, sign_in
from .checkout import Checkout
from .command import ROOT, run, until
from .containers import containers, health, ids
from .host import PYINFRA
from .https import DOMAIN, ROOT_CERTIFICATE, Site, issued
from .load import HEALTH, Load
from .machine import Machine
from .outside import network, open_ports
from .running import begun
from .workers import SECONDS

INTERNAL = ("--data", f"domain={DOMAIN}", "--data", "tls=internal")
WEBSERVERS = "docker ps --all --quiet --filter label=com.docker.compose.service=airflow-webserver"
# Another Caddy, with an authority that speaks ACME, in the place of a public one.
ACME_SERVER = """\
{
	skip_install_trust
}
acme.example.test {
	tls internal
	acme_server
}
"""
ACME = "docker run --detach --name=acme --network=flights-mlops_default --network-alias=acme.example.test"
TRUSTED = "/usr/local/share/ca-certificates/acme.crt"
ACME_ROOT = "/data/caddy/pki/authorities/local/root.crt"


@pytest.fixture(scope="module")
def machine(trixie: Machine) -> Iterator[Machine]:
    """Give a machine a domain; after the tests it has none again."""
    trixie.deploy(*INTERNAL)
    yield trixie
    trixie.deploy()
    assert "caddy" not in containers(trixie)


@pytest.fixture(scope="module")
def site(machine: Machine) -> Site:
    """Reach the domain from outside, and trust the authority that Caddy has made on the host."""
    return Site(machine, machine.fetch(ROOT_CERTIFICATE).decode())


@contextmanager
def load(site: Site, **options: Any) -> Iterator[Load]:
    """Ask for the domain's health 20 times a second, or as the options say, as long as the block lasts."""
    with Load(site.address, 443, domain=DOMAIN, trust=site.trust, patience=30, **options) as asking:
        yield asking


def changes(machine: Machine, *arguments: str) -> list[str]:
    """Deploy; gives the names of the operations that changed something."""
    said = json.loads(machine.deploy("--json", *arguments).stdout)
    return [found["name"] for found in said["results"]["operations"] if found["success"]]


def test_a_domain_is_served_over_https_alone(machine: Machine, site: Site) -> None:
    """Verified, with HSTS, over IPv6 as well; HTTP leads there, and the webserver itself is not published."""
    answer = site.get(HEALTH)
    assert (answer.status, answer.json()["metadatabase"]["status"]) == (200, "healthy")
    assert int(answer.headers["Strict-Transport-Security"].removeprefix("max-age=")) >= 31536000
    plain = site.get("/dags?tags=x", port=80)
    assert (plain.status, plain.headers["Location"]) == (308, f"https://{DOMAIN}/dags?tags=x")
    machine.run("bash -c 'exec 3<>/dev/tcp/::1/443'")
    assert containers(machine)["airflow-webserver"]["HostConfig"]["PortBindings"] == {}
    assert health(machine)["caddy"] == "healthy"


def test_every_other_port_is_closed(machine: Machine) -> None:
    """To whoever scans the host from outside: SSH and the domain answer, and nothing else."""
    with network(machine) as addresses:
        assert open_ports(addresses) == [{22, 80, 443}, {22, 80, 443}]


def test_the_second_deploy_changes_nothing(machine: Machine) -> None:
    """With a domain as without."""
    before = ids(machine)
    assert changes(machine, *INTERNAL) == []
    assert ids(machine) == before


@contextmanager
def browser(site: Site) -> Iterator[Page]:
    """Open Chromium, to which the domain is at the machine's address, and its key the right one."""
    options = [
        f"--host-resolver-rules=MAP {DOMAIN} {site.address}",
        f"--ignore-certificate-errors-spki-list={site.key_hash()}",
    ]
    with chromium(*options) as page:
        yield page


def test_a_person_logs_in_and_sees_a_run_succeed(machine: Machine, site: Site) -> None:
    """From the plain address on, nothing but the domain over HTTPS; an open page shows what happens."""
    with airflow(machine) as api, browser(site) as page:
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto(f"http://{DOMAIN}/dags/flights_bronze")
        sign_in(page, api.password)
        expect(page).to_have_url(re.compile(f"^https://{DOMAIN}/(?!auth/)"))
        api.wait_for_dag("flights_bronze")
        run = api.trigger("flights_bronze")
        page.goto(f"https://{DOMAIN}/dags/flights_bronze/runs/{run}")
        expect(page.get_by_text("Success", exact=True).first).to_be_visible(timeout=180_000)
        cookies = page.context.cookies()
    assert cookies
    assert [cookie["name"] for cookie in cookies if not cookie["secure"]] == []
    elsewhere = {url for url in asked[1:] if not url.startswith((f"https://{DOMAIN}/", "data:", "blob:"))}
    assert elsewhere == set()


def test_a_webserver_that_does_not_start_costs_no_request(
    machine: Machine, site: Site, tmp_path: Path
) -> None:
    """The old one answers until the new one would, and stays."""
    before = ids(machine)["airflow-webserver"]
    checkout = Checkout(tmp_path / "clone")
    checkout.replace(
        "templates/airflow/docker-compose.yaml.j2", "airflow, api-server, --proxy-headers]", "nothing]"
    )
    with load(site) as asking:
        done = machine.pyinfra("deploy.py", *INTERNAL, checkout=checkout.path)
    assert done.returncode != 0
    assert "was put back and runs" in done.stdout + done.stderr
    assert ids(machine)["airflow-webserver"] == before
    assert len(machine.sudo(WEBSERVERS).stdout.split()) == 1
    assert asking.reasons == {}


def test_a_certificate_of_ones_own_is_served_and_renewed(machine: Machine, tmp_path: Path) -> None:
    """Neither costs a container or a request; the key is closed to others, and in no output."""
    before = ids(machine)
    authority = Authority(tmp_path, "A company's CA")
    site = Site(machine, authority.certificate.read_text())
    settings = ("--data", f"domain={DOMAIN}", *issued(authority))
    said = machine.deploy(*settings, "-vvv", "--debug")
    key = (tmp_path / f"{DOMAIN}.key").read_text().splitlines()[1]
    assert key not in said.stdout + said.stderr
    assert machine.sudo("grep -rl PRIVATE /opt/flights-mlops/current/airflow", check=False).stdout == ""
    assert machine.sudo("stat -c '%u %a' /etc/flights-mlops/tls/certificate.pem").stdout == "50001 400\n"
    first = site.certificate()
    assert changes(machine, *settings) == []
    issued(authority)
    with load(site) as asking:
        machine.deploy(*settings)
    assert site.certificate() != first
    assert asking.reasons == {}
    assert ids(machine) == before
    assert site.get(HEALTH).status == 200


@contextmanager
def acme(machine: Machine) -> Iterator[str]:
    """Have an authority that the host trusts, and that finds the domain there; gives its root certificate."""
    image = containers(machine)["caddy"]["Config"]["Image"]
    machine.sudo(f"cat >/run/acme <<'END'\n{ACME_SERVER}END")
    machine.sudo(
        f"{ACME} --add-host={DOMAIN}:host-gateway --volume=/run/acme:/Caddyfile:ro --env=XDG_DATA_HOME=/data "
        f"{image} caddy run --config /Caddyfile --adapter caddyfile"
    )
    try:
        root = until("the authority", lambda: machine.sudo(f"docker exec acme cat {ACME_ROOT}").stdout)
        machine.sudo(f"cat >{TRUSTED} <<'END'\n{root}END\nupdate-ca-certificates")
        yield root
    finally:
        machine.sudo(f"docker rm --force acme; rm {TRUSTED}; update-ca-certificates")


def test_a_certificate_is_asked_for(machine: Machine, tmp_path: Path) -> None:
    """By ACME, from the authority of the setting, to which Caddy proves that the domain leads to it."""
    hosts = tmp_path / "hosts"
    hosts.write_text(f"127.0.0.1 localhost {DOMAIN}\n")
    settings = ("domain=" + DOMAIN, "acme_directory=https://acme.example.test/acme/local/directory")
    with acme(machine) as root:
        # Whom a process trusts, it reads once.
        machine.sudo("docker restart flights-mlops-caddy-1")
        said = run([
            "unshare", "--mount", "sh", "-c", 'mount --bind "$0" /etc/hosts && exec "$@"', hosts,
            PYINFRA, "-y", machine.inventory, "deploy.py", *(f"--data={setting}" for setting in settings),
        ], cwd=ROOT)  # fmt: skip
        site = Site(machine, root)
        until("a certificate of that authority", site.certificate)
        assert site.get(HEALTH).status == 200
    assert f"UI: https://{DOMAIN}\n" in said.stdout + said.stderr
    assert machine.sudo(
        "find /var/lib/flights-mlops/caddy/certificates -path '*acme.example.test*.crt'"
    ).stdout


def test_no_request_fails_while_the_webserver_is_replaced(
    machine: Machine, site: Site, tmp_path: Path
) -> None:
    """Nor where the deploy is cut short while there are two, and done again."""
    machine.deploy(*INTERNAL)
    before = containers(machine)["airflow-webserver"]["Id"]
    checkout = Checkout(tmp_path / "clone")
    checkout.append("files/airflow/Dockerfile", "LABEL edition=second\n")
    with airflow(machine) as api:
        token = str(api.session.headers["Authorization"]).removeprefix("Bearer ")
    query = {"path": "/api/v2/dags/~/dagRuns/list", "body": '{"page_limit": 1}', "token": token}
    with load(site) as asking, load(site, rate=3, **query) as posting:
        with begun(machine, "deploy.py", *INTERNAL, checkout=checkout.path) as deploy:
            deploy.wait_for("Starting a second webserver")
            until("two webservers", lambda: len(machine.sudo(WEBSERVERS).stdout.split()) == 2)
            deploy.kill()
        machine.deploy(*INTERNAL, checkout=checkout.path)
    assert len(machine.sudo(WEBSERVERS).stdout.split()) == 1
    after = containers(machine)["airflow-webserver"]
    assert (after["Id"] != before, after["Config"]["Labels"]["edition"]) == (True, "second")
    assert set(health(machine).values()) == {"healthy"}
    SECONDS["longest time without an answer while a webserver is replaced beside another"] = (
        asking.longest_gap
    )
    assert (asking.sent > 20, posting.sent > 3) == (True, True)
    assert (asking.reasons, posting.reasons) == ({}, {})
