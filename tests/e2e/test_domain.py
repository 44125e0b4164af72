"""The stack under a domain: HTTPS by Caddy, and a webserver that is replaced while others use it."""

import json
import re
import shlex
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from .airflow import airflow
from .attack import survived, upload
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
from .times import SECONDS

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
    """Ask for the domain's health 20 times a second, or as the options say, as long as the block lasts.

    With a login: to strangers, a scheduler that is away is an error.
    """
    with airflow(site.machine) as api:
        token = str(api.session.headers["Authorization"]).removeprefix("Bearer ")
    with Load(site.address, 443, domain=DOMAIN, trust=site.trust, patience=30, token=token, **options) as asking:
        yield asking


def changes(machine: Machine, *arguments: str) -> list[str]:
    """Deploy; gives the names of the operations that changed something."""
    said = json.loads(machine.deploy("--json", *arguments).stdout)
    return [found["name"] for found in said["results"]["operations"] if found["success"]]


def test_a_domain_is_served_over_https_alone(machine: Machine, site: Site) -> None:
    """Verified, with HSTS, over IPv6 as well; HTTP leads there, and the webserver itself is not published."""
    answer = site.get(HEALTH)
    assert (answer.status, answer.json()) == (200, {"status": "healthy"})
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


# Pages of Airflow's UI, and what is on each of them when it is whole: in the page itself, or in its frame.
PAGES = {
    "/dags": "flights_bronze",
    "/connections": "Add Connection",
    "/variables": "Add Variable",
    "/pools": "default_pool",
}
FRAMED = {"/security/users": "airflow@localhost", "/security/roles": "Viewer"}
# What the browser refuses is told to the page, and from there to the test.
TELL = """
addEventListener("securitypolicyviolation", event =>
    console.error(`refused: ${event.effectiveDirective} ${event.blockedURI} on ${location.pathname}`))
"""


def test_the_ui_works_under_its_content_security_policy(machine: Machine, site: Site) -> None:
    """The login form, lists, a run with its log, code in its editor, and the users' pages in their frame."""
    with airflow(machine) as api:
        password, run = api.password, api.run("flights_bronze")
    with browser(site) as page:
        said: list[str] = []
        page.on("console", lambda message: said.append(message.text))
        page.add_init_script(TELL)
        page.goto(f"https://{DOMAIN}/")
        sign_in(page, password)
        expect(page).to_have_url(re.compile(f"^https://{DOMAIN}/(?!auth/)"))
        for path, shown in PAGES.items():
            page.goto(f"https://{DOMAIN}{path}")
            expect(page.get_by_text(shown).first).to_be_visible()
        page.goto(f"https://{DOMAIN}/dags/flights_bronze/code")
        expect(page.locator(".view-lines")).to_contain_text("import")
        for path, shown in FRAMED.items():
            page.goto(f"https://{DOMAIN}{path}")
            expect(page.frame_locator("iframe").get_by_text(shown).first).to_be_visible()
        page.goto(f"https://{DOMAIN}/dags/flights_bronze/runs/{run}")
        expect(page.get_by_text("Success", exact=True).first).to_be_visible()
        page.goto(f"https://{DOMAIN}/dags/flights_bronze/runs/{run}/tasks/bronze")
        expect(page.get_by_text("Log message source details").first).to_be_visible()
    assert [text for text in said if "Content Security Policy" in text or text.startswith("refused: ")] == []


HEADERS = {
    "Content-Security-Policy": "frame-ancestors 'self'",
    "X-Frame-Options": "SAMEORIGIN",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}


@pytest.mark.parametrize(
    ("path", "port", "status"),
    [
        ("/", 443, 200),
        ("/auth/login/", 443, 200),
        ("/api/v2/dags", 443, 401),
        ("/execution/health", 443, 404),
        ("/", 80, 308),
    ],
)
def test_every_answer_has_its_headers(site: Site, path: str, port: int, status: int) -> None:
    """Also those that Caddy gives itself; none says what serves it."""
    answer = site.get(path, port=port)
    assert answer.status == status
    assert [name for name, value in HEADERS.items() if value not in answer.headers.get(name, "")] == []
    assert "Server" not in answer.headers
    if not path.startswith("/auth/"):
        assert "script-src 'self';" in answer.headers["Content-Security-Policy"]


def test_strangers_learn_healthy_or_not(machine: Machine, site: Site) -> None:
    """Nothing of versions, parts and times, whatever they say they are; who is logged in reads it all."""
    forged = {"X-Flights-Mlops-Entry": "host", "Connection": "X-Flights-Mlops-Entry"}
    for headers in ({}, forged, {"Authorization": "Bearer forged"}):
        assert site.get(HEALTH, headers=headers).json() == {"status": "healthy"}
        assert site.get("/api/v2/version", headers=headers).status == 401
    with airflow(machine) as api:
        assert "latest_scheduler_heartbeat" in api.get("monitor/health")["scheduler"]
        bearer = {"Authorization": str(api.session.headers["Authorization"])}
    cookie = {"Cookie": f"_token={bearer['Authorization'].removeprefix('Bearer ')}"}
    for headers in (bearer, cookie):
        assert "latest_scheduler_heartbeat" in site.get(HEALTH, headers=headers).json()["scheduler"]
        assert "version" in site.get("/api/v2/version", headers=headers).json()


@pytest.mark.parametrize("prefix", ["", "/auth", "/execution"])
def test_the_apis_are_not_described_to_strangers(site: Site, prefix: str) -> None:
    """Unless the setting asks for that."""
    for name in ("docs", "redoc", "openapi.json"):
        assert site.get(f"{prefix}/{name}").status == 404


# In the webserver, which makes such tokens: one of them, and what it reads there.
AS_A_TASK = """
from urllib.request import Request, urlopen
from airflow.api_fastapi.execution_api.app import _jwt_generator
token = _jwt_generator().generate({"sub": "01a2b3c4-0000-7000-8000-000000000000", "scope": "execution"})
asked = Request("http://localhost:8080/execution/variables/attacked")
asked.add_header("Authorization", f"Bearer {token}")
print(token, urlopen(asked).read().decode())
"""
READ_BY_TASKS = "what-only-tasks-may-read"
WRITTEN = (
    *(
        "/execution",
        "/EXECUTION",
        "//execution",
        "/%65xecution",
        "/execution%2f",
        "/execution/..%2fexecution",
    ),
    *("/x/../execution", "/execution/../execution", "/./execution"),
)
# To some, this is a page of the UI.
OUT_AGAIN = "/variables/attacked/../../.."


def test_a_task_s_token_opens_nothing_from_outside(machine: Machine, site: Site) -> None:
    """However the path is written; within the host, it reads a variable."""
    webserver = containers(machine)["airflow-webserver"]["Id"]
    with airflow(machine) as api:
        variable = {"key": "attacked", "value": READ_BY_TASKS}
        assert api.request("POST", "/api/v2/variables", json=variable).status_code == 201
        said = machine.sudo(f"docker exec {webserver} python3 -c {shlex.quote(AS_A_TASK)}").stdout
        token, _, read = said.splitlines()[-1].partition(" ")
        assert READ_BY_TASKS in read
        headers = {"Authorization": f"Bearer {token}"}
        for path in WRITTEN:
            for rest in ("", "/health", "/variables/attacked", OUT_AGAIN):
                answer = site.get(path + rest, headers=headers)
                assert READ_BY_TASKS.encode() not in answer.data
                assert answer.status == 404 or rest == OUT_AGAIN, path + rest
        assert api.request("GET", "/execution/variables/attacked", headers=headers).status_code == 404
        api.request("DELETE", "/api/v2/variables/attacked").raise_for_status()


def fill_in_the_form(site: Site, times: int) -> list[int]:
    """Log in with a wrong password as a browser does; gives what came of each try."""
    page = site.get("/auth/login/")
    token = re.search(rb'name="csrf_token"[^>]*value="([^"]+)"', page.data)
    assert token
    headers = {
        "Content-Type": "application/x-www-form-urlencoded",
        "Cookie": page.headers["Set-Cookie"].partition(";")[0],
        "Referer": f"https://{DOMAIN}/auth/login/",
    }
    body = f"username=airflow&password=wrong&csrf_token={token[1].decode()}"
    return [site.ask("POST", "/auth/login/", headers=headers, body=body).status for _ in range(times)]


def test_wrong_passwords_are_stopped(machine: Machine, site: Site) -> None:
    """By every way to a token and by the form, for the client that tries them and for nobody else."""
    with airflow(machine) as api:
        password = api.password
    fab = {"username": "airflow", "password": "wrong", "provider": "db"}
    with network(machine) as (ipv4, _), ThreadPoolExecutor(20) as clients:
        stranger = replace(site, through=ipv4)
        begun_at = time.monotonic()
        tried = Counter(clients.map(lambda number: stranger.log_in(f"wrong-{number}").status, range(200)))
        # Five in forty seconds.
        allowed = 5 * (1 + int(time.monotonic() - begun_at) // 40)
        assert tried[401] <= allowed
        assert tried[401] + tried[429] == 200
        assert int(stranger.log_in(password).headers["Retry-After"]) <= 40
        for path in ("/auth/token/cli", "/auth/api/v1/security/login"):
            body = json.dumps(fab)
            refused = stranger.ask("POST", path, headers={"Content-Type": "application/json"}, body=body)
            assert refused.status == 429
        assert fill_in_the_form(stranger, 8).count(429) == 3
        assert site.log_in(password).status == 201
        assert fill_in_the_form(site, 1).count(429) == 0


@pytest.mark.parametrize("chunked", [False, True])
def test_large_requests_do_not_take_it_down(machine: Machine, site: Site, *, chunked: bool) -> None:
    """Four of 300 MB at once, from whoever likes: refused, and kept by neither Caddy nor the webserver."""
    with survived(machine), ThreadPoolExecutor(4) as clients:
        statuses = list(clients.map(lambda _: upload(site, "/auth/token", 300, chunked=chunked), range(4)))
        assert set(statuses) <= {413, 0}
        assert site.get(HEALTH).status == 200


def test_a_login_makes_room_for_what_the_setting_allows(machine: Machine, site: Site) -> None:
    """A variable of 5 MB arrives whole; one of more than 10 MB is refused."""
    with airflow(machine) as api:
        headers = {
            "Authorization": str(api.session.headers["Authorization"]),
            "Content-Type": "application/json",
        }
        body = json.dumps({"key": "large", "value": "x" * (5 << 20)})
        assert site.ask("POST", "/api/v2/variables", headers=headers, body=body).status == 201
        # It is refused by what it says it is, before it has come.
        announced = headers | {"Content-Length": str(11 << 20)}
        assert site.ask("POST", "/api/v2/variables", headers=announced, body="{").status == 413
        assert len(api.get("variables/large")["value"]) == 5 << 20
        api.request("DELETE", "/api/v2/variables/large").raise_for_status()


def test_a_webserver_that_does_not_start_costs_no_request(machine: Machine, site: Site, tmp_path: Path) -> None:
    """The old one answers until the new one would, and stays."""
    before = ids(machine)["airflow-webserver"]
    checkout = Checkout(tmp_path / "clone")
    checkout.replace("templates/stack/docker-compose.yaml.j2", "airflow, api-server, --proxy-headers]", "nothing]")
    with load(site) as asking:
        done = machine.pyinfra("deploy.py", *INTERNAL, checkout=checkout.path)
    assert done.returncode != 0
    assert "which runs" in done.stdout + done.stderr, done.stdout + done.stderr
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
    assert machine.sudo("find /var/lib/flights-mlops/caddy/certificates -path '*acme.example.test*.crt'").stdout


def test_no_request_fails_while_the_webserver_is_replaced(machine: Machine, site: Site, tmp_path: Path) -> None:
    """Nor where the deploy is cut short while there are two, and done again."""
    machine.deploy(*INTERNAL)
    before = containers(machine)["airflow-webserver"]["Id"]
    checkout = Checkout(tmp_path / "clone")
    checkout.append("files/images/Dockerfile", "LABEL edition=second\n")
    query = {"path": "/api/v2/dags/~/dagRuns/list", "body": '{"page_limit": 1}'}
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
    SECONDS["longest time without an answer while a webserver is replaced beside another"] = asking.longest_gap
    assert (asking.sent > 20, posting.sent > 3) == (True, True)
    assert (asking.reasons, posting.reasons) == ({}, {})
