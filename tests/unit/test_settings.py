"""The border that inventory data crosses: what is wrong is said in a sentence that names host and key."""

import re
from typing import Any

import pytest
from pydantic import ValidationError

from deploy.core.hosts import load
from deploy.settings import OWNED_BY_THE_STACK, Settings


def faults(**data: Any) -> list[str]:
    """Return what is wrong with inventory data."""
    return load(data, where="vm1")[1]


def test_an_inventory_that_says_nothing_gets_the_defaults() -> None:
    """No setting has to be given."""
    assert load({}, where="vm1") == (Settings(), [])


def test_what_is_given_is_taken() -> None:
    """A value of the inventory or of `--data`, where numbers are text, is the one in force."""
    settings, wrong = load({"ui_port": "9090", "triggerer": "true", "parallelism": 4}, where="vm1")
    assert wrong == []
    assert (settings.ui_port, settings.triggerer, settings.parallelism) == (9090, True, 4)


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        ("ui_prot", 9090, 'vm1: unknown setting "ui_prot"; did you mean "ui_port"?'),
        ("zebra", 1, 'vm1: unknown setting "zebra"; docs/settings.md lists all settings.'),
        (
            "ui_port",
            "many",
            (
                'vm1: setting "ui_port" should be a valid integer, unable to parse string as an integer, '
                "but is 'many'."
            ),
        ),
        ("ui_port", None, 'vm1: setting "ui_port" should be a valid integer, but is None.'),
        (
            "triggerer",
            "perhaps",
            ("vm1: setting \"triggerer\" should be a valid boolean, unable to interpret input, but is 'perhaps'."),
        ),
        ("airflow_env", "A=1", 'vm1: setting "airflow_env" should be a valid dictionary.'),
        ("ui_port", 0, 'vm1: setting "ui_port" should be greater than or equal to 1, but is 0.'),
        (
            "ui_port",
            65536,
            'vm1: setting "ui_port" should be less than or equal to 65535, but is 65536.',
        ),
        (
            "parallelism",
            -1,
            'vm1: setting "parallelism" should be greater than or equal to 1, but is -1.',
        ),
        (
            "base_images",
            "hub",
            "vm1: setting \"base_images\" should be 'auto', 'registry' or 'debian', but is 'hub'.",
        ),
        (
            "overdue_tasks",
            "kill",
            "vm1: setting \"overdue_tasks\" should be 'wait' or 'go-ahead', but is 'kill'.",
        ),
        (
            "domain",
            "Flights.example.com",
            (
                'vm1: setting "domain" should be a host name in lower case, such as airflow.example.com, '
                "but is 'Flights.example.com'."
            ),
        ),
        (
            "tls",
            "files",
            "vm1: setting \"tls\" = 'files' requires certificate_file and certificate_key_file.",
        ),
        (
            "airflow_env",
            {"AIRFLOW__CORE__DAGBAG_IMPORT_TIMEOUT": 5},
            'vm1: setting "airflow_env"[AIRFLOW__CORE__DAGBAG_IMPORT_TIMEOUT] should be a valid string.',
        ),
    ],
)
def test_a_fault_names_host_key_and_value(key: str, value: object, sentence: str) -> None:
    """One sentence, word for word, that ends with what was given or with the way out."""
    assert faults(**{key: value}) == [sentence]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("log_max_size", "10 MB"),
        ("max_request_size", "10 MB"),
        ("max_request_size", "0m"),
        ("debian_mirror", "ftp://mirror"),
        ("python_index_url", "x"),
        ("postgres_image", ""),
    ],
)
def test_text_of_another_shape_is_a_fault(key: str, value: str) -> None:
    """It names host and key, and is one line."""
    (fault,) = faults(**{key: value})
    assert fault.startswith(f'vm1: setting "{key}" ')
    assert "\n" not in fault


@pytest.mark.parametrize(
    "value",
    [
        "",
        "localhost",
        "https://a.example.com",
        "a..b",
        "a.b/",
        "10.0.0.1",
        "-a.example",
        "a b.example",
        "x\ny.de",
    ],
)
def test_a_domain_is_a_host_name(value: str) -> None:
    """It goes into the proxy's configuration as it is."""
    assert len(faults(domain=value)) == 1


def test_a_certificate_needs_both_of_its_files() -> None:
    """The one that is missing is named."""
    both = {"certificate_file": "c.pem", "certificate_key_file": "k.pem", "tls": "files"}
    assert faults(**both) == []
    (fault,) = faults(**both | {"certificate_key_file": None})
    assert fault == "vm1: setting \"tls\" = 'files' requires certificate_key_file."


@pytest.mark.parametrize("name", ["PATH", "airflow__core__executor", "PYTHONPATH"])
def test_airflow_env_is_for_airflows_own_configuration(name: str) -> None:
    """Nothing else of a container's environment can be set through it."""
    (fault,) = faults(airflow_env={name: "x"})
    assert fault.startswith(f'vm1: setting "airflow_env" {name} is not AIRFLOW__SECTION__KEY')


@pytest.mark.parametrize("name", sorted(OWNED_BY_THE_STACK))
def test_airflow_env_cannot_contradict_the_stack(name: str) -> None:
    """What has a setting or a secret of its own is not set a second time."""
    (fault,) = faults(airflow_env={name: "x"})
    assert fault.startswith(f'vm1: setting "airflow_env" {name} is set by the stack itself')


def test_all_faults_are_found_at_once() -> None:
    """Nobody mends an inventory fault by fault."""
    found = faults(ui_port=0, parallelsim=4, keep_releases="all")
    assert [re.findall('"([a-z_]+)"', fault)[0] for fault in found] == [
        "ui_port",
        "keep_releases",
        "parallelsim",
    ]


def test_beside_a_fault_the_other_settings_are_in_force() -> None:
    """A setting with a fault keeps its default, so that the rest of a host can be checked as well."""
    settings, wrong = load({"ui_port": 9090, "parallelism": "lots", "zebra": 1}, where="vm1")
    assert len(wrong) == 2
    assert settings == Settings(ui_port=9090)


def test_settings_do_not_change() -> None:
    """What was checked is what is used."""
    with pytest.raises(ValidationError, match="frozen"):
        Settings().ui_port = 9090  # type: ignore[misc] # the fault that is expected


def test_no_default_is_a_fault() -> None:
    """The defaults pass the checks that inventory data has to pass."""
    assert faults(**Settings().model_dump()) == []


@pytest.mark.parametrize(
    "name",
    ["AIRFLOW__CORE__FERNET_KEY_CMD", "AIRFLOW__CORE__A: b", "AIRFLOW__CORE"],
)
def test_airflow_env_refuses_what_compose_would(name: str) -> None:
    """A name that the compose file has already, or that is none, is found before anything is changed."""
    assert len(faults(airflow_env={name: "x"})) == 1


@pytest.mark.parametrize(
    "data",
    [
        {"airflow_env": {"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": "postgresql://airflow:hunter2@db/airflow"}},
        {"python_index_url": "htps://user:hunter2@index/simple"},
    ],
)
def test_a_fault_shows_no_password(data: dict[str, object]) -> None:
    """Output of a deploy lands in logs: what may hold a password is not repeated."""
    assert "hunter2" not in "".join(faults(**data))


DIGEST = f"registry.test:5000/flights@sha256:{'0' * 64}"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"image_source": "registry"}, "\"image_source\" = 'registry' requires airflow_image"),
        (
            {"image_source": "registry", "airflow_image": "registry.test/flights:1"},
            '"airflow_image" should match',
        ),
        ({"image_source": "registry", "airflow_image": "flights@sha256:00"}, '"airflow_image" should match'),
        ({"image_source": "hub"}, "should be 'build', 'ship' or 'registry', but is 'hub'"),
    ],
)
def test_an_image_to_pull_goes_with_its_source(data: dict[str, str], words: str) -> None:
    """Without one it is a fault, and so is an image without its digest."""
    (fault,) = faults(**data)
    assert words in fault


def test_an_image_of_a_registry_is_taken() -> None:
    """With a port, and by its digest."""
    settings, wrong = load({"image_source": "registry", "airflow_image": DIGEST}, where="vm1")
    assert (settings.airflow_image, wrong) == (DIGEST, [])


@pytest.mark.parametrize("proxy", ["proxy:3128", "http://a:canary@b'c", 'http://a:canary@b"c', "http://a:canary@b c"])
def test_a_proxy_that_is_none_is_refused_and_not_repeated(proxy: str) -> None:
    """It may hold a password."""
    (fault,) = faults(proxy=proxy)
    assert '"proxy" should match' in fault
    assert "canary" not in fault
