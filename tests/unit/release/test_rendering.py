"""The rendered compose file and .env: parsed, and held against what the stack promises."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.core.paths import CONFIGURATION, ROOT
from deploy.credentials import table
from deploy.release import rendering
from deploy.release.rendering import Placement, render
from deploy.settings import OWNED_BY_THE_STACK, Settings

PLACEMENT = Placement(1234, "python:3.13-slim-trixie", "postgres:13", 4096)
IMAGE = "flights-mlops-airflow:i-0123456789ab"
ODD = "a $HOME ${HOME} 'single' \"double\" \\ back # not a comment: {{ nor jinja }} é"

VARIANTS = {
    "defaults": Settings(),
    "everything": Settings(
        ui_port=18080,
        triggerer=True,
        parallelism=3,
        dag_refresh_interval=7,
        log_max_size="512k",
        log_max_files=9,
        stop_timeout=33,
        task_memory="3g",
        service_memory="700m",
        pids_limit=999,
        airflow_env={"AIRFLOW__CORE__ODD": ODD, "AIRFLOW__CORE__YES": "yes", "AIRFLOW__CORE__NUMBER": "010"},
    ),
    "domain": Settings(domain="flights.example.com", acme_directory="https://ca.example.com/acme"),
}


def rendered(settings: Settings) -> dict[str, str]:
    """Return the text of each rendered file, by its name."""
    return {Path(file.path).name: file.content.decode() for file in render(settings, PLACEMENT, IMAGE)}


def compose(settings: Settings) -> Any:
    """Return the compose file, parsed."""
    return yaml.safe_load(rendered(settings)["docker-compose.yaml"])


def airflow_services(settings: Settings) -> dict[str, Any]:
    """Return the services that run Airflow's image, the one-shot one included."""
    services = compose(settings)["services"]
    return {name: service for name, service in services.items() if name.startswith("airflow-")}


every_variant = pytest.mark.parametrize("settings", VARIANTS.values(), ids=VARIANTS)


def test_the_services_are_those_of_the_stack() -> None:
    """Database, init, UI, scheduler and DAG processor; a triggerer only where a setting asks for it."""
    names = {
        "postgres-airflow",
        "airflow-init",
        "airflow-webserver",
        "airflow-scheduler",
        "airflow-dag-processor",
    }
    assert compose(Settings())["services"].keys() == names
    assert compose(Settings(triggerer=True))["services"].keys() == names | {"airflow-triggerer"}
    assert compose(VARIANTS["domain"])["services"].keys() == names | {"caddy"}


def test_init_is_a_step_of_its_own() -> None:
    """`up` starts all services but airflow-init, which has a profile and is not started again."""
    services = compose(VARIANTS["everything"])["services"]
    assert {name for name, service in services.items() if "profiles" in service} == {"airflow-init"}
    assert services["airflow-init"]["restart"] == "no"
    assert {service["restart"] for service in services.values()} == {"no", "unless-stopped"}


@every_variant
def test_ports_are_on_loopback_but_those_of_a_domain(settings: Settings) -> None:
    """Docker publishes around the host's firewall: one port, on loopback; a domain's two are the proxy's."""
    services = compose(settings)["services"]
    published = {name: service["ports"] for name, service in services.items() if "ports" in service}
    ui = "127.0.0.1:${UI_PORT}:8080"
    if settings.domain:
        assert published == {"caddy": ["80:80", "443:443", "443:443/udp", ui]}
    else:
        assert published == {"airflow-webserver": [ui]}
    assert not [name for name, service in services.items() if "network_mode" in service]
    assert f"UI_PORT='{settings.ui_port}'\n" in rendered(settings)[".env"]


@every_variant
def test_airflow_runs_as_the_stacks_user(settings: Settings) -> None:
    """The user id is that of whoever owns what is written; the image needs the group root."""
    assert {service["user"] for service in airflow_services(settings).values()} == {"${AIRFLOW_UID}:0"}
    assert "AIRFLOW_UID='1234'\n" in rendered(settings)[".env"]


@every_variant
def test_every_service_is_kept_within_bounds(settings: Settings) -> None:
    """Logs are capped, stopping has a limit, and a process that reaps is the first of each."""
    for name, service in compose(settings)["services"].items():
        assert service["logging"]["driver"] == "json-file", name
        assert service["logging"]["options"] == {
            "max-size": settings.log_max_size,
            "max-file": str(settings.log_max_files),
        }, name
        grace = {"airflow-webserver": 3, "caddy": 10}.get(name, settings.stop_timeout)
        assert service["stop_grace_period"] == f"{grace}s", name
        assert service["init"] is True, name
        assert service["pids_limit"] == settings.pids_limit, name
        tasks = settings.task_memory or "2560m"  # of the 4 GiB that the machine has here
        assert service["mem_limit"] == (tasks if name == "airflow-scheduler" else settings.service_memory), name


@pytest.mark.parametrize(("memory", "tasks"), [(1536, "1536m"), (3584, "2048m"), (7680, "6144m")])
def test_tasks_get_what_the_machine_has(memory: int, tasks: str) -> None:
    """All but 1.5 GiB, and on a small machine as much as that."""
    assert Placement(1, "", "", memory).task_memory == tasks


@every_variant
def test_every_service_is_closed(settings: Settings) -> None:
    """No capability, no way to gain one, a file system that cannot be written where no tasks run."""
    services = compose(settings)["services"]
    for name, service in services.items():
        assert service["cap_drop"] == ["ALL"], name
        assert service.get("cap_add") == (["NET_BIND_SERVICE"] if name == "caddy" else None), name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["read_only"] is (name != "airflow-scheduler"), name
        assert ("database" in service.get("networks", ())) is (name != "caddy"), name
    assert services["postgres-airflow"]["networks"] == ["database"]
    assert compose(settings)["networks"]["database"] == {"internal": True}


@every_variant
def test_every_lasting_service_says_whether_it_is_well(settings: Settings) -> None:
    """Each has a health check of its own, and waits for a healthy database."""
    for name, service in compose(settings)["services"].items():
        assert name == "airflow-init" or service["healthcheck"]["test"][0] == "CMD", name
    for name, service in airflow_services(settings).items():
        assert service["depends_on"] == {"postgres-airflow": {"condition": "service_healthy"}}, name


@every_variant
def test_secrets_come_from_files_alone(settings: Settings) -> None:
    """Each secret of the stack is a file below one directory, which a service names to have it."""
    parsed = compose(settings)
    declared = parsed["secrets"]
    build_only = {"ca", "index"}
    assert declared.keys() - build_only == set(table.names(settings))
    for name in table.names(settings):
        assert declared[name] == {"file": f"/etc/flights-mlops/secrets/{name}"}
    for name, service in parsed["services"].items():
        assert set(service.get("secrets", ())) <= set(table.names(settings)), name
        for key, value in service["environment"].items():
            if "/run/secrets/" in value:
                assert value.removeprefix("cat ").removeprefix("/run/secrets/") in service["secrets"], key


@every_variant
def test_no_service_has_a_secret_it_does_not_need(settings: Settings) -> None:
    """The admin's password is for airflow-init, the database's own for the database."""
    having = {
        secret: {
            name for name, service in compose(settings)["services"].items() if secret in service.get("secrets", ())
        }
        for secret in table.names(settings)
    }
    assert having["admin_password"] == {"airflow-init"}
    assert having["postgres_password"] == {"postgres-airflow"}


@every_variant
def test_no_secret_stands_in_the_environment(settings: Settings) -> None:
    """A password, key or connection is named by a command or file that gives it, never by its value."""
    for service in compose(settings)["services"].values():
        for key, value in service["environment"].items():
            if re.search(r"PASSWORD|SECRET|FERNET|SQL_ALCHEMY_CONN|_KEY", key):
                assert key.endswith(("_CMD", "_FILE")), key
                assert re.fullmatch(r"(cat )?/run/secrets/[a-z_]+", value), key
    text = "".join(rendered(settings).values())
    assert not re.search(r"://[^/\s]+:[^/\s]+@", text), "an address with a password in it"


@every_variant
def test_the_host_of_these_tests_leaves_no_secret_in_it(settings: Settings) -> None:
    """Where the stack runs on this machine: none of its secrets' values is in what is rendered."""
    text = "".join(rendered(settings).values())
    folder = Path(CONFIGURATION) / "secrets"
    try:
        found = {path.name: path.read_text() for path in folder.iterdir()}
    except OSError:
        pytest.skip("this machine has no stack, or its secrets are closed to this user")
    # The login of a loopback address is no secret: airflow / airflow.
    assert [name for name, value in found.items() if value != "airflow" and value in text] == []


def test_a_setting_reaches_the_one_service_it_is_for() -> None:
    """A change restarts that service and no other: the number of tasks is the scheduler's alone."""
    before, after = airflow_services(Settings()), airflow_services(Settings(parallelism=3))
    assert [name for name in before if before[name] != after[name]] == ["airflow-scheduler"]
    assert after["airflow-scheduler"]["environment"]["AIRFLOW__CORE__PARALLELISM"] == "3"
    after = airflow_services(Settings(dag_refresh_interval=7))
    assert [name for name in before if before[name] != after[name]] == ["airflow-dag-processor"]
    for option in ("REFRESH_INTERVAL", "BUNDLE_REFRESH_CHECK_INTERVAL"):
        assert after["airflow-dag-processor"]["environment"][f"AIRFLOW__DAG_PROCESSOR__{option}"] == "7"


@every_variant
def test_every_airflow_service_has_the_releases_as_its_bundle(settings: Settings) -> None:
    """The one bundle there is, of a class that the image holds."""
    for name, service in airflow_services(settings).items():
        environment = service["environment"]
        (bundle,) = json.loads(environment["AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST"])
        module, _, class_name = bundle["classpath"].rpartition(".")
        source = (ROOT / rendering.IMAGE_SOURCES[f"airflow/{module}.py"]).read_text()
        assert f"class {class_name}(" in source, name


@every_variant
def test_no_service_keeps_to_the_release_it_was_started_in(settings: Settings) -> None:
    """Its working directory is none that a later deploy may remove; airflow-init ends anyway."""
    for name, service in airflow_services(settings).items():
        if name == "airflow-init":
            assert service["working_dir"] == "/"
        else:
            assert service["command"][:2] == ["env", "--chdir=/opt/airflow"], name


def test_airflow_env_reaches_every_airflow_service_as_it_is_written() -> None:
    """Dollars, quotes, backslashes and braces included, and no text is taken for a number or a truth."""
    for name, service in airflow_services(VARIANTS["everything"]).items():
        environment = service["environment"]
        # compose's own rule: $$ is a dollar.
        assert environment["AIRFLOW__CORE__ODD"].replace("$$", "$") == ODD, name
        assert "$" not in environment["AIRFLOW__CORE__ODD"].replace("$$", ""), name
        assert environment["AIRFLOW__CORE__YES"] == "yes", name
        assert environment["AIRFLOW__CORE__NUMBER"] == "010", name
    assert "AIRFLOW__CORE__YES" not in compose(VARIANTS["everything"])["services"]["postgres-airflow"]["environment"]


@every_variant
def test_every_value_of_an_environment_is_text(settings: Settings) -> None:
    """YAML makes no number, truth or date of any."""
    for service in compose(settings)["services"].values():
        for key, value in service["environment"].items():
            assert isinstance(value, str), key


@every_variant
def test_what_the_stack_sets_cannot_be_set_beside_it(settings: Settings) -> None:
    """Each part of Airflow's configuration that the template sets for all is refused in airflow_env."""
    environment = airflow_services(settings)["airflow-scheduler"]["environment"]
    given = {name.removesuffix("_CMD") for name in environment if name.startswith("AIRFLOW__")}
    defaults = {
        "AIRFLOW__CORE__LOAD_EXAMPLES",
        "AIRFLOW__FAB__COOKIE_SECURE",
        "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME",
        "AIRFLOW__WORKERS__EXECUTION_API_RETRIES",
        "AIRFLOW__WORKERS__EXECUTION_API_RETRY_WAIT_MAX",
        "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL",
    }
    assert given - settings.airflow_env.keys() - defaults <= OWNED_BY_THE_STACK


@every_variant
def test_no_environment_knows_the_release(settings: Settings) -> None:
    """Or every edit of a DAG would restart everything: services see `current`, and no id."""
    release = rendering.build(settings, PLACEMENT)
    by_name = {
        file.path: file.content.decode()
        for file in release.files
        if file.path in ("airflow/.env", "airflow/docker-compose.yaml")
    }
    assert len(by_name) == 2
    for text in by_name.values():
        assert release.id not in text
        assert "releases/" not in text


@every_variant
def test_every_variable_of_the_compose_file_is_defined(settings: Settings) -> None:
    """By the .env beside it, each once; only what has a default of its own may be missing."""
    files = rendered(settings)
    # A $$ is a dollar; what stands in airflow_env is no variable.
    text = files["docker-compose.yaml"].replace("$$", "")
    used = set(re.findall(r"\$\{(\w+)\}", text))
    optional = set(re.findall(r"\$\{(\w+):?-", text))
    defined = re.findall(r"^(\w+)=", files[".env"], flags=re.MULTILINE)
    assert len(defined) == len(set(defined))
    assert used == set(defined)
    assert optional == {"BUILD_CONTEXT"}
    assert not re.search(r"\$(?!\{)", text)


@every_variant
def test_each_service_has_what_it_needs_of_what_tasks_write(settings: Settings) -> None:
    """The project read-only; of the state, single directories and never what is above them."""
    state = "/var/lib/flights-mlops"
    needed = {
        "airflow-webserver": [f"{state}/logs:{state}/logs:ro"],
        "airflow-dag-processor": [f"{state}/logs:{state}/logs"],
        "airflow-triggerer": [
            f"{state}/data:{state}/data:ro",
            f"{state}/logs:{state}/logs",
            f"{state}/models:{state}/models:ro",
        ],
        "airflow-scheduler": [f"{state}/{name}:{state}/{name}" for name in ("data", "logs", "models")],
        "airflow-init": [],
    }
    for name, service in airflow_services(settings).items():
        first, *others = service["volumes"]
        assert first == "/opt/flights-mlops:/opt/flights-mlops:ro", name
        assert others[: len(needed[name])] == needed[name], name
        # The rest is DVC's; see the tests of it.
        assert (len(others) > len(needed[name])) is (name == "airflow-scheduler"), name
        assert service["environment"]["FLIGHTS_DATA_DIR"] == "/var/lib/flights-mlops/data", name
        assert service["environment"]["FLIGHTS_MODELS_DIR"] == "/var/lib/flights-mlops/models", name


def test_images_are_the_ones_of_the_host() -> None:
    """One image for all of Airflow, by its content; the base images by their names on the host."""
    assert {service["image"] for service in airflow_services(VARIANTS["everything"]).values()} == {"${AIRFLOW_IMAGE}"}
    assert rendered(Settings())[".env"].splitlines()[1:] == [
        "AIRFLOW_UID='1234'",
        f"AIRFLOW_IMAGE='{IMAGE}'",
        "PYTHON_IMAGE='python:3.13-slim-trixie'",
        "POSTGRES_IMAGE='postgres:13'",
        "UI_PORT='8080'",
    ]


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    """Return a copy of the templates that a test may break."""
    shutil.copytree(ROOT / "templates", tmp_path / "templates")
    return tmp_path


@pytest.mark.parametrize("name", ["stack/docker-compose.yaml", "stack/.env"])
def test_a_template_with_a_mistake_is_named_with_its_line(broken: Path, name: str) -> None:
    """One sentence: which template, which line, what is wrong."""
    path = broken / "templates" / f"{name}.j2"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines, "{% if settings.triggerer %}", "never ended", ""]))
    with pytest.raises(ValueError, match="cannot be rendered") as caught:
        render(Settings(), PLACEMENT, IMAGE, broken)
    sentence = str(caught.value)
    line = re.match(rf"templates/{re.escape(name)}\.j2 line (\d+) cannot be rendered: Unexpected end", sentence)
    assert line
    assert int(line[1]) in range(len(lines) + 1, len(lines) + 4)
    assert "\n" not in sentence


@pytest.mark.parametrize(
    ("value", "named"),
    [("{{ settings.ui_prot }}", "ui_prot"), ("{{ nothing }}", "nothing"), ("{{ placement.gid }}", "gid")],
)
def test_a_value_that_does_not_exist_is_named(broken: Path, value: str, named: str) -> None:
    """Nothing is rendered as an empty text."""
    with (broken / "templates/stack/.env.j2").open("a") as template:
        template.write(f"MORE={value}\n")
    with pytest.raises(ValueError, match=named) as caught:
        render(Settings(), PLACEMENT, IMAGE, broken)
    assert str(caught.value).startswith("templates/stack/.env.j2 cannot be rendered: ")
    assert "\n" not in str(caught.value)


def test_a_template_that_is_missing_is_named(broken: Path) -> None:
    """Also where the project itself is whole."""
    (broken / "templates/stack/.env.j2").unlink()
    with pytest.raises(ValueError, match=r"^templates/stack/\.env\.j2 cannot be rendered: "):
        render(Settings(), PLACEMENT, IMAGE, broken)


def test_a_character_beyond_the_first_plane_arrives() -> None:
    """An airflow_env value may hold any text."""
    settings = Settings(airflow_env={"AIRFLOW__API__INSTANCE_NAME": "flights \N{ROCKET}"})
    value = airflow_services(settings)["airflow-webserver"]["environment"]["AIRFLOW__API__INSTANCE_NAME"]
    # Compared as ASCII: half a character in a failure's text is more than pytest-xdist can carry.
    assert ascii(value) == ascii("flights \N{ROCKET}")


def test_airflow_env_can_ask_for_the_examples() -> None:
    """A default of the stack gives way, and stands in the file once."""
    settings = Settings(airflow_env={"AIRFLOW__CORE__LOAD_EXAMPLES": "true"})
    environment = airflow_services(settings)["airflow-scheduler"]["environment"]
    assert environment["AIRFLOW__CORE__LOAD_EXAMPLES"] == "true"


def test_a_registrys_image_is_part_of_the_release() -> None:
    """Another digest is another release on another image, and the rest of the release is the same."""
    reference = "registry.test:5000/flights@sha256:"
    found = [
        rendering.build(Settings(image_source="registry", airflow_image=f"{reference}{digit * 64}"), PLACEMENT)
        for digit in "12"
    ]
    assert [release.image for release in found] == [f"{rendering.IMAGE}:i-{digit * 12}" for digit in "12"]
    assert {release.configuration[0] for release in found} == {rendering.build(Settings(), PLACEMENT).configuration[0]}
    assert found[0].id != found[1].id
    beside = Settings(airflow_image=f"{reference}{'1' * 64}")
    assert rendering.build(beside, PLACEMENT) == rendering.build(Settings(image_source="ship"), PLACEMENT)


def test_a_domain_is_what_airflow_and_its_users_are_told() -> None:
    """All of Airflow leads to it; the webserver alone believes the proxy, and cookies keep to HTTPS."""
    for name, service in airflow_services(VARIANTS["domain"]).items():
        environment = service["environment"]
        assert environment["AIRFLOW__API__BASE_URL"] == "https://flights.example.com", name
        assert environment["AIRFLOW__FAB__COOKIE_SECURE"] == "true", name
        assert ("FORWARDED_ALLOW_IPS" in environment) is (name == "airflow-webserver"), name
        assert ("--proxy-headers" in service["command"]) is (name == "airflow-webserver"), name


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({}, None),
        ({"tls": "internal"}, "tls internal"),
        (
            {"tls": "files", "certificate_file": "c", "certificate_key_file": "k"},
            "tls /etc/flights-mlops/tls/certificate.pem /etc/flights-mlops/tls/certificate.pem",
        ),
    ],
)
def test_the_proxy_has_the_certificate_that_was_asked_for(given: dict[str, Any], line: str | None) -> None:
    """By default Caddy asks a public authority, of itself; where a file is on this machine, nobody learns."""
    text = rendered(Settings(domain="flights.example.com", **given))["Caddyfile"]
    assert "\nflights.example.com {\n" in text
    assert [found.strip() for found in text.splitlines() if found.startswith("\ttls ")] == ([line] if line else [])
    assert "acme_ca" not in text


def test_the_proxy_asks_the_authority_of_the_setting() -> None:
    """An ACME directory of one's own; without a domain there is no proxy to ask it."""
    assert "\tacme_ca https://ca.example.com/acme\n" in rendered(VARIANTS["domain"])["Caddyfile"]
    assert "Caddyfile" not in rendered(Settings())


@pytest.mark.parametrize(
    ("image", "asks_first"),
    [
        ("caddy:2", False),
        ("caddy:2.sha256-0123456789ab", False),
        ("flights-mlops-caddy:2-trixie-debian-packages", True),
        ("flights-mlops-caddy:2-trixie-debian-packages.20261126T231000", True),
    ],
)
def test_the_proxy_of_debian_asks_before_it_sends(image: str, *, asks_first: bool) -> None:
    """The registry's can send a body again; neither keeps one."""
    files = render(VARIANTS["domain"], replace(PLACEMENT, caddy_image=image), IMAGE)
    (text,) = (file.content.decode() for file in files if file.path == "airflow/Caddyfile")
    assert ("forward_auth" in text) is asks_first
    assert "buffer" not in text


def test_nothing_but_the_proxy_sees_its_keys() -> None:
    """What it keeps is no part of what other containers mount, but below it, closed to their users."""
    services = compose(VARIANTS["domain"])["services"]
    assert "/etc/flights-mlops/tls:/etc/flights-mlops/tls:ro" in services["caddy"]["volumes"]
    assert services["caddy"]["user"] == "50001:50001"
    for name, service in airflow_services(VARIANTS["domain"]).items():
        assert not [volume for volume in service["volumes"] if volume.startswith("/etc")], name
