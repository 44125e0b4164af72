"""What a requirements.txt may say: each line that the image's build could not install is found before it."""

import time

import pytest

from deploy.core.paths import ROOT
from deploy.release import checkout, requirements
from deploy.release.requirements import Requirements

LOCK = """\
pandas==3.0.2 \\
    --hash=sha256:0123
    # via flights
zope-interface==8.1 ; python_full_version < '3.12' \\
    --hash=sha256:4567
zope-interface==8.5 ; python_full_version >= '3.12' \\
    --hash=sha256:89ab
"""


def read(text: str, lock: str = LOCK, **others: str) -> Requirements:
    """Read a requirements.txt, beside which a project has other files, by their names without .txt."""
    files = {f"{name}.txt": other for name, other in others.items()} | {"requirements.txt": text}
    return requirements.collect("requirements.txt", files.get, lock)


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
    assert read(f"{line}\n").problems == ()


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("--index-url=https://someone:secret@index.example.com/simple", ("--index-url", "python_index_url")),
        ("-ihttps://someone:secret@index.example.com/simple", ("option -i,",)),
        ("-e .", ("option -e",)),
        ("-r https://someone:secret@example.com/base.txt", ("names a URL", "copy it")),
        ("-c../secrets.txt", ("names ../secrets.txt, which is outside the project",)),
        ("--requirement=/etc/passwd", ("names /etc/passwd, which is outside the project",)),
        ("-r base.txt", ("names base.txt, which is not a file tracked by git",)),
        ("-r ./requirements.txt", ("leads back to this line",)),
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
    (fault,) = read(f"{before}{line}\nflask\n").problems
    assert fault.startswith("requirements.txt, line 5 ")
    assert all(word in fault for word in words), fault
    assert "secret@" not in fault


def test_every_fault_is_found_at_once() -> None:
    """Who has two reads of two; what conflicts with nothing that is locked is none."""
    assert len(read("-r a.txt\npandas<2\nflask").problems) == 2
    assert len(read("-r a.txt\npandas<2\nflask", "").problems) == 1


def test_a_line_that_goes_on_to_the_end_of_the_file_is_read() -> None:
    """As pip does; it has no other line to join."""
    (fault,) = read("pandas<2 \\").problems
    assert fault.startswith("requirements.txt, line 1 needs pandas<2,")


def test_the_locks_have_no_fault_in_themselves() -> None:
    """They are such files: with hashes, markers and comments."""
    lock = (ROOT / checkout.AIRFLOW_LOCK).read_text()
    assert "apache-airflow==" in lock
    for name in (checkout.AIRFLOW_LOCK, checkout.OWN_LOCK):
        assert read((ROOT / name).read_text(), lock).problems == ()
    assert read("apache-airflow<3", lock).problems != ()


def test_what_is_read_is_what_counts() -> None:
    """Without comments, blank lines and line breaks, but with hashes and markers."""
    text = "# ours\n\nflask   # the API\npandas==3.0.2 \\\n    --hash=sha256:01 \\\n    --hash=sha256:45\n    # via\n"
    assert read(text).wanted == ("flask", "pandas==3.0.2 --hash=sha256:01 --hash=sha256:45")
    assert read("flask\npandas==3.0.2 --hash=sha256:01 --hash=sha256:45").wanted == read(text).wanted
    assert read('flask; sys_platform == "win32"').wanted == ('flask; sys_platform == "win32"',)


@pytest.mark.parametrize(
    "line", ["-r base.txt", "-rbase.txt", "--requirement base.txt", "--requirement=base.txt", "-r 'base.txt'  # ours"]
)
def test_another_file_is_read_in_the_place_of_its_line(line: str) -> None:
    """In every form that pip takes."""
    assert read(f"a\n{line}\nz\n", base="m # one\n").wanted == ("a", "m", "z")


def test_constraints_are_apart() -> None:
    """Those of files that they name as well; a version that Airflow does not have is none of preflight's."""
    found = read(
        "a\n-c limits.txt\n--constraint more.txt\n", limits="b<2\n-r further.txt\n", more="pandas<2", further="c"
    )
    assert (found.wanted, found.constraints, found.problems) == (("a",), ("b<2", "c", "pandas<2"), ())


def test_files_are_named_from_where_they_are_named() -> None:
    """Not from the root; a problem names its own file."""
    files = {
        "requirements.txt": "-r deps/base.txt",
        "deps/base.txt": "-r ../top.txt\n-c ../../x.txt",
        "top.txt": "pandas<2",
    }
    found = requirements.collect("requirements.txt", files.get, LOCK)
    assert found.problems[0].startswith("top.txt, line 1 needs pandas<2")
    assert found.problems[1].startswith("deps/base.txt, line 2 names ../../x.txt, which is outside")


def test_a_circle_is_found_and_a_file_that_is_named_twice_is_none() -> None:
    """A file may be the base of two others."""
    assert read("-r a.txt\n-r b.txt\n", a="-r base.txt", b="-r base.txt", base="flask").problems == ()
    (fault,) = read("-r a.txt\n", a="-r b.txt", b="flask\n-r a.txt").problems
    assert fault.startswith("b.txt, line 2 names a.txt, which leads back to this line")


def test_a_lock_of_thousands_of_lines_is_read_at_once() -> None:
    """Each line of it goes on in the next."""
    text = "".join(f"package-{number}==1.0 \\\n    --hash=sha256:{number:064}\n" for number in range(20_000))
    began = time.monotonic()
    assert len(read(text).wanted) == 20_000
    assert time.monotonic() - began < 10
