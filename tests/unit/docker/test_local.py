"""The engine of the machine that deploys: what is wrong with it is said before anything is changed."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pyinfra.api import Host

from deploy.docker import local as control_node
from deploy.images import build_here
from deploy.release.rendering import Release
from deploy.settings import Settings


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return the one directory in which commands are found; nothing is remembered of other engines."""
    monkeypatch.setenv("PATH", str(tmp_path))
    control_node.architecture.cache_clear()
    yield tmp_path
    control_node.architecture.cache_clear()


def client(path: Path, text: str) -> None:
    """Put a docker client there that is no more than this shell script: a machine that cannot be had here."""
    (path / "docker").write_text(f"#!/bin/sh\n{text}\n")
    (path / "docker").chmod(0o755)


def test_without_docker_the_way_out_is_said(path: Path) -> None:
    """One sentence: what is missing, where, and what else would do."""
    assert list(path.iterdir()) == []
    problem = control_node.problem("amd64")
    assert "where Docker is not installed" in problem
    assert problem.endswith("or set image_source to build or registry.")


def test_an_engine_that_does_not_answer_is_named(path: Path) -> None:
    """With the last line of what its client says."""
    client(path, "echo one >&2; echo Cannot connect to the Docker daemon >&2; exit 1")
    assert "where Docker fails (Cannot connect to the Docker daemon)" in control_node.problem("amd64")


def test_another_architecture_is_refused(path: Path) -> None:
    """An image for one does not run on the other."""
    client(path, "echo arm64")
    assert "for arm64, and the host is amd64" in control_node.problem("amd64")
    assert control_node.problem("arm64") == ""


def test_an_index_is_as_the_build_reads_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that is set; pip trusts one without TLS; and the proxy is this machine's own."""
    for name in ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTPS_PROXY", "http://a:b$c@proxy.test:3128")
    told = build_here.index(Settings(python_index_url="http://me:secret@index.test:8080/simple"))
    assert told.splitlines() == [
        "PIP_INDEX_URL=http://me:secret@index.test:8080/simple",
        "UV_DEFAULT_INDEX=http://me:secret@index.test:8080/simple",
        "PIP_TRUSTED_HOST=index.test",
        "HTTPS_PROXY='http://a:b$c@proxy.test:3128'",
    ]


def test_the_control_node_sends_nothing_to_itself(local: Host) -> None:
    """It has one engine, which builds."""
    assert local.name == "@local"
    assert control_node.source(Settings(image_source="ship")) == "build"


@pytest.mark.parametrize(
    ("last", "said"),
    [
        (
            "#9 12.3 refused: the requirements do not fit",
            r"^the requirements do not fit; the reason is above\.$",
        ),
        ("#9 12.3 error: no route", r"^image:i-1 could not be built .* deploy\.base_images\.ensure$"),
    ],
)
def test_a_build_that_fails_says_why(path: Path, last: str, said: str) -> None:
    """What the Dockerfile gives as the reason is the sentence; else, where to look."""
    client(path, f'[ "$1" != build ] || {{ /bin/cat >/dev/null; echo "{last}"; echo "#9 ERROR"; exit 1; }}')
    lines: list[str] = []
    with pytest.raises(ValueError, match=said):
        build_here.build(Release("r-1", "image:i-1", ()), "python:3.13", Settings(), lines.append)
    assert last in lines


def test_the_reason_is_found_however_much_follows_it(path: Path) -> None:
    """BuildKit prints the end of what ran beside the step, and the step itself, after its output."""
    tail = "for line in 1 2 3 4 5; do for more in 1 2 3 4 5 6 7 8 9; do echo '#8 CANCELED'; done; done"
    said = "#9 12.3 refused: the requirements do not fit"
    client(path, f'[ "$1" != build ] || {{ /bin/cat >/dev/null; echo "{said}"; {tail}; exit 1; }}')
    with pytest.raises(ValueError, match=r"^the requirements do not fit; the reason is above\.$"):
        build_here.build(Release("r-1", "image:i-1", ()), "python:3.13", Settings(), lambda _: None)
