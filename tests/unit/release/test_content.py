"""Identity is content: which files make a release, which id they have, and the archive they travel in."""

import io
import os
import shutil
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from deploy.core.paths import ROOT
from deploy.release import rendering
from deploy.release.checkout import OWN_LOCK, OWN_PATHS, OWN_REQUIRED
from deploy.release.content import File, archive, identity, image_tag, missing, pulled_tag, tracked_files
from deploy.release.rendering import Placement
from deploy.settings import Settings

Checkout = Callable[..., Path]


def id_of(root: Path) -> str:
    """Return the id of the project in a checkout."""
    return identity(tracked_files(root, *OWN_PATHS))


def test_same_tree_same_id(checkout: Checkout) -> None:
    """Another checkout, at another time and place, has the same id."""
    assert id_of(checkout()) == id_of(checkout())


def test_id_has_its_form(checkout: Checkout) -> None:
    """`r-` and 12 hexadecimal digits, which pyinfra's command line does not read as a number."""
    letter, digits = id_of(checkout()).split("-")
    assert letter == "r"
    assert len(digits) == 12
    int(digits, 16)


def test_one_byte_another_id(checkout: Checkout) -> None:
    """The smallest change is another release."""
    assert id_of(checkout(**{"dags/flights.py": "import src;"})) != id_of(checkout())


def test_another_name_another_id(checkout: Checkout) -> None:
    """A file that moved is another release."""
    root = checkout()
    before = id_of(root)
    subprocess.run(["git", "-C", root, "mv", "dags/flights.py", "dags/flight.py"], check=True)
    assert id_of(root) != before


def test_untracked_files_are_no_part(checkout: Checkout) -> None:
    """Caches, notes and data that lie about change nothing, whether git ignores them or not."""
    root = checkout()
    before = id_of(root)
    (root / "src/__pycache__").mkdir()
    (root / "src/__pycache__/bronze.pyc").write_bytes(b"\0")
    (root / "dags/notes.txt").write_text("try this")
    assert id_of(root) == before


def test_other_parts_of_the_repository_are_no_part(checkout: Checkout) -> None:
    """The README is tracked and no part of what runs."""
    root = checkout()
    before = id_of(root)
    (root / "README.md").write_text("# Another")
    assert id_of(root) == before
    assert "README.md" not in [file.path for file in tracked_files(root, *OWN_PATHS)]


def test_uncommitted_edits_are_included(checkout: Checkout) -> None:
    """What is deployed is what the working tree holds; taken back, the id is the one of before."""
    root = checkout()
    before = id_of(root)
    (root / "dags/flights.py").write_text("import dags\n")
    assert id_of(root) != before
    assert b"import dags\n" in [file.content for file in tracked_files(root, *OWN_PATHS)]
    (root / "dags/flights.py").write_text("import src\n")
    assert id_of(root) == before


def test_a_new_file_counts_once_git_knows_it(checkout: Checkout) -> None:
    """`git add` is enough; a commit is not needed."""
    root = checkout()
    before = id_of(root)
    (root / "dags/second.py").write_text("")
    subprocess.run(["git", "-C", root, "add", "dags/second.py"], check=True)
    assert id_of(root) != before


def test_a_deleted_file_is_gone(checkout: Checkout) -> None:
    """Also before the deletion is committed, and with the same id after."""
    root = checkout()
    (root / "src/pipelines/bronze.py").unlink()
    deleted = id_of(root)
    assert deleted != id_of(checkout())
    subprocess.run(["git", "-C", root, "rm", "--quiet", "src/pipelines/bronze.py"], check=True)
    assert id_of(root) == deleted


def test_executable_or_not_is_another_release(checkout: Checkout) -> None:
    """The one bit of a file's mode that changes what it does."""
    root = checkout()
    before = id_of(root)
    (root / "src/pipelines/bronze.py").chmod(0o755)
    assert id_of(root) != before


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664])
def test_another_umask_changes_nothing(checkout: Checkout, mode: int) -> None:
    """Who checked the project out, and how closed, is not in the id."""
    root = checkout()
    before = id_of(root)
    (root / "src/pipelines/bronze.py").chmod(mode)
    assert id_of(root) == before


def test_a_link_is_where_it_points(checkout: Checkout) -> None:
    """A symbolic link stays one, may point to nothing, and another target is another release."""
    ids = []
    for target in ("flights.py", "nowhere.py"):
        root = checkout()
        (root / "dags/link.py").symlink_to(target)
        subprocess.run(["git", "-C", root, "add", "dags/link.py"], check=True)
        assert File("dags/link.py", target.encode(), is_link=True) in tracked_files(root, *OWN_PATHS)
        ids.append(id_of(root))
    root = checkout(**{"dags/link.py": "flights.py"})
    assert len({*ids, id_of(root), id_of(checkout())}) == 4


def test_a_directory_that_is_no_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error is one sentence, with git's own reason and the way out."""
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    monkeypatch.setenv("LC_ALL", "C")
    with pytest.raises(ValueError, match="git") as caught:
        tracked_files(tmp_path)
    assert str(caught.value) == (
        f"git cannot read {tmp_path} (fatal: not a git repository (or any of the parent directories): .git); "
        "deploy from a git checkout."
    )


def test_missing_names_what_a_project_lacks() -> None:
    """By the names of its paths; a file of a longer name does not count."""
    required = ("src", "dags", "dvc.yaml")
    assert missing([File("src/a.py", b""), File("dags/a.py", b""), File("dvc.yaml", b"")], required) == []
    assert missing([File("src/a.py", b""), File("dvc.yaml.bak", b"")], required) == ["dags", "dvc.yaml"]
    assert missing([], required) == [*required]


def test_order_is_no_part_of_the_id() -> None:
    """The same files in another order are the same release, in the same archive."""
    files = [File("b", b"1"), File("a", b"2", executable=True)]
    assert identity(files) == identity(files[::-1])
    assert archive(files) == archive(files[::-1])


def test_content_does_not_run_from_one_file_into_the_next() -> None:
    """Two trees whose bytes are the same when strung together are two releases."""
    assert identity([File("a", b"xb"), File("c", b"")]) != identity([File("a", b"x"), File("c", b"b")])
    assert identity([File("a", b"to", is_link=True)]) != identity([File("a", b"to")])


def test_archive_is_the_same_bytes_anywhere(checkout: Checkout) -> None:
    """No time, no owner, no mode of the machine that packs is in it."""
    first, second = checkout(), checkout()
    for path in second.rglob("*.py"):
        path.chmod(0o600)
        os.utime(path, (0, 0))
    packed = archive(tracked_files(first, *OWN_PATHS))
    assert packed == archive(tracked_files(second, *OWN_PATHS))
    # gzip's own header has a time as well.
    assert packed[4:8] == bytes(4)


def test_archive_unpacks_to_the_same_tree(checkout: Checkout, tmp_path: Path) -> None:
    """What tar makes of it has the same id: content, executable bits and links arrive."""
    root = checkout()
    (root / "src/pipelines/bronze.py").chmod(0o755)
    (root / "dags/link.py").symlink_to("flights.py")
    subprocess.run(["git", "-C", root, "add", "--all"], check=True)
    files = tracked_files(root, *OWN_PATHS)

    unpacked = tmp_path / "unpacked"
    unpacked.mkdir()
    subprocess.run(
        ["tar", "--extract", "--gzip", "--directory", unpacked], input=archive(files), check=True, umask=0o077
    )
    subprocess.run(["git", "-C", unpacked, "init", "--quiet"], check=True)
    subprocess.run(["git", "-C", unpacked, "add", "--all"], check=True)
    assert tracked_files(unpacked, *OWN_PATHS) == files


def test_archive_names_no_owner() -> None:
    """Whoever unpacks it owns it; nothing in it is more open than it must be."""
    packed = archive([File("run", b"#!", executable=True), File("text", b"")])
    with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
        assert [(member.name, member.mode) for member in tar] == [("run", 0o755), ("text", 0o644)]
        assert {(member.uid, member.gid, member.uname, member.mtime) for member in tar} == {(0, 0, "", 0)}


@pytest.fixture
def whole(checkout: Checkout) -> Path:
    """Return a checkout that has all that a release is built of: project, image sources, templates."""
    root = checkout()
    for name in ("files/images", "templates"):
        shutil.copytree(ROOT / name, root / name)
    for name in (*rendering.IMAGE_SOURCES.values(), OWN_LOCK):
        (root / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, root / name)
    subprocess.run(["git", "-C", root, "add", "--all"], check=True)
    return root


def built(root: Path, python_image: str = "python:3.13", **settings: object) -> rendering.Release:
    """Return the release that is built from a checkout."""
    return rendering.build(Settings.model_validate(settings), Placement(1000, python_image, "postgres:13", 4096), root)


def test_a_release_is_project_image_sources_and_configuration(whole: Path) -> None:
    """Each is there once, and the id is that of all of them."""
    found = built(whole)
    paths = [file.path for file in found.files]
    assert len(paths) == len(set(paths))
    assert {
        "src/__init__.py",
        "dags/flights.py",
        "dvc.yaml",
        "airflow/Dockerfile",
        "airflow/Dockerfile.dockerignore",
        "airflow/requirements.txt",
        "airflow/docker-compose.yaml",
        "airflow/.env",
    } <= set(paths)
    assert found.id == identity(found.files)


def test_a_setting_is_part_of_the_release(whole: Path) -> None:
    """The rendered configuration is in the id, and not in the image's tag."""
    assert built(whole, parallelism=3).id != built(whole).id
    assert built(whole, parallelism=3).image == built(whole).image


def test_a_change_of_the_project_needs_no_build(whole: Path) -> None:
    """Another release, on the same image."""
    before = built(whole)
    (whole / "src/pipelines/bronze.py").write_text("print('silver')\n")
    assert built(whole).id != before.id
    assert built(whole).image == before.image


@pytest.mark.parametrize("name", [*rendering.IMAGE_SOURCES.values(), OWN_LOCK])
def test_a_change_of_an_image_source_is_another_image(whole: Path, name: str) -> None:
    """Lock files, Dockerfile and what it copies: a byte of any is another tag, and so another release."""
    before = built(whole)
    (whole / name).write_bytes((whole / name).read_bytes() + b"\n")
    assert built(whole).image != before.image
    assert built(whole).id != before.id


def test_nothing_is_kept_from_the_build() -> None:
    """The file that BuildKit reads before a project's own .dockerignore names nothing, and is not empty."""
    lines = (ROOT / "files/images/Dockerfile.dockerignore").read_text().splitlines()
    assert lines
    assert [line for line in lines if not line.startswith("#")] == []


def test_another_base_image_is_another_image(whole: Path) -> None:
    """The tag says all that the image is built from; it is 12 hexadecimal digits behind `i-`."""
    assert built(whole, "python:3.12").image != built(whole).image
    name, tag = built(whole).image.split(":")
    assert name == "flights-mlops-airflow"
    assert tag.startswith("i-")
    int(tag.removeprefix("i-"), 16)
    assert image_tag([], "a") != image_tag([], "b")


def test_a_checkout_that_lacks_a_part_is_refused(whole: Path) -> None:
    """The error names what is missing and all that a project needs."""
    subprocess.run(["git", "-C", whole, "rm", "-r", "--quiet", "dags", "dvc.yaml"], check=True)
    with pytest.raises(ValueError, match="has no") as caught:
        built(whole)
    assert str(caught.value) == (
        f"{whole} has no dags or dvc.yaml tracked by git; a project needs src, dags, dvc.yaml."
    )


def test_this_repository_is_a_whole_project() -> None:
    """What the checks ask of a project, the project of this repository has."""
    assert missing(tracked_files(ROOT, *OWN_PATHS), OWN_REQUIRED) == []
    found = rendering.build(Settings(), Placement(1000, "python:3.13", "postgres:13", 4096))
    for file in found.files:
        if file.path in (
            "airflow/check-dags",
            "airflow/healthcheck",
            "airflow/initialise",
            "airflow/set-password",
        ):
            assert file.executable, file.path


def test_untracked_files_are_no_part_of_the_image(whole: Path) -> None:
    """An editor's backup beside the Dockerfile builds no image and makes no release."""
    before = built(whole)
    (whole / "files/images/healthcheck.orig").write_text("")
    assert built(whole) == before


def test_a_file_in_conflict_is_there_once(checkout: Checkout) -> None:
    """In the middle of a merge, a path is still one file."""
    root = checkout()
    blob = subprocess.check_output(["git", "-C", root, "rev-parse", ":dags/flights.py"], text=True).strip()
    sides = "".join(f"100644 {blob} {side}\tdags/flights.py\n" for side in (1, 2, 3))
    subprocess.run(["git", "-C", root, "rm", "--cached", "--quiet", "dags/flights.py"], check=True)
    subprocess.run(["git", "-C", root, "update-index", "--index-info"], input=sides, text=True, check=True)
    assert [file.path for file in tracked_files(root, *OWN_PATHS)].count("dags/flights.py") == 1


def test_a_directory_in_a_files_place_is_no_crash(checkout: Checkout) -> None:
    """The tracked file is gone; it is no file of the release."""
    root = checkout()
    (root / "src/pipelines/bronze.py").unlink()
    (root / "src/pipelines/bronze.py").mkdir()
    try:
        paths = [file.path for file in tracked_files(root, *OWN_PATHS)]
    except ValueError:
        return  # a sentence about it would do as well
    assert "src/pipelines/bronze.py" not in paths


def test_an_image_of_a_registry_has_the_tag_of_its_digest() -> None:
    """Wherever it is pulled from; another digest is another tag."""
    digest = "0123456789abcdef" * 4
    assert pulled_tag(f"registry.test:5000/flights@sha256:{digest}") == "i-0123456789ab"
    assert pulled_tag(f"other/name@sha256:{digest}") == "i-0123456789ab"
