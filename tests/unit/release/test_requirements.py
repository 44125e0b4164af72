"""What a requirements.txt may say: each line that the image's build could not install is found before it."""

import pytest

from deploy.core.paths import ROOT
from deploy.release import checkout, requirements

LOCK = """\
pandas==3.0.2 \\
    --hash=sha256:0123
    # via flights
zope-interface==8.1 ; python_full_version < '3.12' \\
    --hash=sha256:4567
zope-interface==8.5 ; python_full_version >= '3.12' \\
    --hash=sha256:89ab
"""


def problems(text: str, lock: str) -> list[str]:
    """Return what is wrong with a requirements.txt that is a project's only file."""
    found = requirements.collect("requirements.txt", {"requirements.txt": text}.get, lock).problems
    return [problem.removeprefix("requirements.txt, ") for problem in found]


@pytest.mark.parametrize(
    "line",
    [
        "",
        "# nothing",
        "requests",
        "requests>=2,<3  # an upper bound",
        "Zope.Interface>=8.4",
        "zope.interface==8.1",
        "pandas[parquet]>=3",
        'pandas<2; sys_platform == "win32"',
        "pandas==3.0.2 --hash=sha256:0123 --hash=sha256:4567",
        "pandas==3.0.2 \\\n    --hash=sha256:0123 \\\n    --hash=sha256:4567\n    # via flights",
        "model @ https://models.example.com/model-1.0-py3-none-any.whl",
    ],
)
def test_what_can_be_installed_has_no_fault(line: str) -> None:
    """Pinned or not, with hashes or without, beside Airflow's lock."""
    assert problems(f"{line}\n", LOCK) == []


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("-r base.txt", ("names base.txt", "git does not track")),
        ("--requirement=/secret/../etc/base.txt", ("names /etc/base.txt", "git does not track")),
        ("-c ../constraints.txt", ("names ../constraints.txt", "git does not track")),
        ("-r requirements.txt", ("names requirements.txt", "which names requirements.txt itself")),
        ("--index-url=https://someone:secret@index.example.com/simple", ("--index-url", "python_index_url")),
        ("-e .", ("option -e",)),
        ("./wheels/model.whl", ("is not a valid requirement",)),
        ("git+https://someone:secret@git.example.com/model.git", ("is not a valid requirement",)),
        ("model @ git+https://someone:secret@git.example.com/model.git", ("a URL for model",)),
        ("model @ file:///home/someone/secret/model", ("a URL for model",)),
        ("pandas<2", ("needs pandas<2", "Airflow pins 3.0.2", "project_environment")),
        ("Pandas == 1.5.3", ("needs Pandas==1.5.3", "Airflow pins 3.0.2")),
        ("zope.interface<8", ("Airflow pins 8.1 or 8.5",)),
    ],
)
def test_each_fault_is_named_with_its_line(line: str, words: tuple[str, ...]) -> None:
    """It repeats nothing that may be secret. Hashes and comments count as the lines that they are."""
    before = "# one\nrequests==2.32 \\\n    --hash=sha256:0123\n\n"
    (fault,) = problems(f"{before}{line}\nflask\n", LOCK)
    assert fault.startswith("line 5 ")
    assert all(word in fault for word in words), fault
    assert "secret" not in fault


def test_every_fault_is_found_at_once() -> None:
    """Who has two reads of two; what conflicts with nothing that is locked is none."""
    assert len(problems("-r a.txt\npandas<2\nflask", LOCK)) == 2
    assert len(problems("-r a.txt\npandas<2\nflask", "")) == 1


def test_a_line_that_goes_on_to_the_end_of_the_file_is_read() -> None:
    """As pip does; it has no other line to join."""
    (fault,) = problems("pandas<2 \\", LOCK)
    assert fault.startswith("line 1 needs pandas<2,")


def test_the_locks_have_no_fault_in_themselves() -> None:
    """They are such files: with hashes, markers and comments."""
    lock = (ROOT / checkout.AIRFLOW_LOCK).read_text()
    assert "apache-airflow==" in lock
    for name in (checkout.AIRFLOW_LOCK, checkout.OWN_LOCK):
        assert problems((ROOT / name).read_text(), lock) == []
    assert problems("apache-airflow<3", lock) != []


FILES = {
    "requirements.txt": "-r requirements/base.txt\n-c requirements/pins.txt\nflask  # the web\n",
    "requirements/base.txt": """\
# of all

requests==2.32 \\
    --hash=sha256:0123 \\
    --hash=sha256:4567
--requirement=more.txt
""",
    "requirements/more.txt": "idna\n-cpins.txt\n",
    "requirements/pins.txt": "idna==3.7\n",
}


def test_files_that_name_others_are_one_list() -> None:
    """By paths from where they are named; constraints apart, hashes kept, comments left out."""
    found = requirements.collect("requirements.txt", FILES.get, LOCK)
    assert found.problems == []
    assert found.wanted == ["requests==2.32 --hash=sha256:0123 --hash=sha256:4567", "idna", "flask"]
    assert found.constraints == ["idna==3.7", "idna==3.7"]


def test_a_fault_in_another_file_is_named_there() -> None:
    """With its own line."""
    files = FILES | {"requirements/more.txt": "idna\npandas<2\n", "requirements/pins.txt": "-r base.txt\n"}
    first, second = requirements.collect("requirements.txt", files.get, LOCK).problems
    assert first.startswith("requirements/more.txt, line 2 needs pandas<2,")
    assert second.startswith("requirements/more.txt, line 2 needs pandas<2,") or "itself" in second
