"""What of an image is sent to a host: the layers it lacks, and nothing twice."""

import io
import json
import tarfile
from pathlib import Path

import pytest

from deploy.docker.archive import common, without
from deploy.docker.ship import Layers, megabytes, send


@pytest.mark.parametrize(
    ("images", "known"),
    [
        ([], 0),
        ([[]], 0),
        ([["base", "tools", "code"]], 3),
        ([["base", "tools", "code", "more"]], 3),
        ([["base", "old tools", "code"]], 1),
        ([["tools", "code"]], 0),
        ([["base"], ["base", "tools"], ["other"]], 2),
    ],
)
def test_a_layer_is_there_with_all_below_it(images: list[list[str]], known: int) -> None:
    """An engine keeps the same layer on top of others as another one."""
    assert common(["base", "tools", "code"], images) == known


def archive(names: list[str]) -> io.BytesIO:
    """Return an archive as `docker save` writes it, whose files hold their own names."""
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w") as tar:
        for name in names:
            member = tarfile.TarInfo(name)
            member.size = len(name)
            tar.addfile(member, io.BytesIO(name.encode()))
        directory = tarfile.TarInfo("blobs/sha256")
        directory.type = tarfile.DIRTYPE
        tar.addfile(directory)
    written.seek(0)
    return written


def test_an_archive_is_copied_without_the_layers_that_are_there() -> None:
    """All else is in it as it was, in the same order."""
    names = ["blobs/sha256/aaaa", "blobs/sha256/bbbb", "manifest.json", "abcd/layer.tar"]
    copy = io.BytesIO()
    without(archive(names), {"sha256:aaaa", "sha256:cccc"}, copy)
    copy.seek(0)
    with tarfile.open(fileobj=copy) as tar:
        held = {name: file.read().decode() for name in tar.getnames() if (file := tar.extractfile(name))}
        assert tar.getnames() == [*names[1:], "blobs/sha256"]
    assert held == {name: name for name in names[1:]}


def test_an_archive_that_ends_too_early_is_a_fault() -> None:
    """Half an image is not sent as a whole one."""
    cut = io.BytesIO(archive(["blobs/sha256/aaaa", "manifest.json"]).getvalue()[:516])
    with pytest.raises((tarfile.TarError, OSError)):
        without(cut, set(), io.BytesIO())


def test_a_file_is_sent_in_pieces_and_the_end_is_said(tmp_path: Path) -> None:
    """Never whole in memory; the last line says that all was sent."""
    file = tmp_path / "archive"
    file.write_bytes(bytes(range(256)) * 5000)
    pieces: list[bytes] = []
    said: list[str] = []
    send(file, pieces.append, said.append)
    assert b"".join(pieces) == file.read_bytes()
    assert len(pieces) > 1
    assert said == ["Sent 1.3 of 1.3 MB"]


@pytest.mark.parametrize(("size", "text"), [(0, "0.0"), (40_000, "0.0"), (1_250_000, "1.2"), (134_400_000, "134")])
def test_sizes_are_short(size: int, text: str) -> None:
    """Megabytes, and a digit more where there are few."""
    assert megabytes(size) == text


def test_the_layers_of_a_host_are_read() -> None:
    """With an image without layers; a host with and one without zstd; and where nothing answers."""
    fact = Layers()
    assert fact.process(["/usr/bin/zstd", json.dumps(["sha256:a"]), "null"]) == (True, [["sha256:a"], []])
    assert fact.process(["none"]) == fact.default()
