"""The directories that tasks write to, on a machine where tasks have done their worst in them."""

import os
import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from pyinfra.api import Host

from deploy import storage
from deploy.core.files import Files, digest
from deploy.core.run import StackRun
from deploy.settings import Settings
from deploy.storage.facts import (
    NAMES,
    ROOTS,
    SERVICE,
    UNIT,
    Directory,
    Storage,
    StorageState,
    is_created,
    is_mounted,
    mounts,
    problems_of,
    unit,
)

STATE = "var/lib/flights-mlops"

Run = Callable[..., "CompletedProcess[str]"]
See = Callable[..., StorageState]


@pytest.fixture
def create(run: Run) -> Callable[[int], "CompletedProcess[str]"]:
    """Return a function that creates the directories for a user, below one that is root's."""
    return lambda uid: run("storage/provide", preludes=StackRun.preludes, uid=uid, above=0, names=NAMES)


@pytest.fixture
def look(see: See) -> Callable[[], StorageState]:
    """Return a function that returns what there is."""
    return lambda: see(Storage, mounted=[])


def owners(root: Path) -> dict[str, int]:
    """Return who owns each path below a directory, links themselves included."""
    return {str(path.relative_to(root)): path.lstat().st_uid for path in root.rglob("*")}


def test_they_are_closed_to_others(create: Run, look: See, machine: Path) -> None:
    """Below a directory that is root's; the workspace is root's and sticky, its mount points cannot go."""
    done = create(1234)
    assert (done.returncode, done.stdout) == (0, "")
    state = machine / STATE
    assert {name: (found.st_uid, found.st_mode & 0o7777) for name in ("", *NAMES, "workspace")
            if (found := (state / name).stat())} == {
        "": (0, 0o750), "data": (1234, 0o750), "models": (1234, 0o750), "logs": (1234, 0o750),
        "workspace": (0, 0o1770),
    }  # fmt: skip
    assert owners(state / "workspace") == {"data": 0, "models": 0}
    assert is_created(look(), uid=1234, owner=0)
    (state / "data").chmod(0o777)  # as a task may, whose it is
    assert not is_created(look(), uid=1234, owner=0)
    create(1234)
    assert is_created(look(), uid=1234, owner=0)


def test_the_one_above_them_may_be_a_link_to_a_disk(create: Run, look: See, machine: Path) -> None:
    """It is the owner's of the host; no other one may."""
    (machine / "var/disk").mkdir()
    (machine / STATE).symlink_to("/var/disk")
    assert create(1234).returncode == 0
    assert is_created(look(), uid=1234, owner=0)
    assert look().obstacles == {}


def test_what_tasks_left_is_never_followed(create: Run, machine: Path) -> None:
    """Files of another user id become the service user's, and no link leads root out of the directory."""
    data = machine / STATE / "data"
    (data / "bronze").mkdir(parents=True)
    (data / "bronze/table").write_text("")
    outside = machine / "var/lib/outside"
    outside.mkdir()
    (outside / "shadow").write_text("")
    (data / "link").symlink_to("/var/lib/outside/shadow")
    (data / "directory").symlink_to("/var/lib/outside")
    os.mkfifo(data / "pipe")
    (data / "-rf").write_text("")
    (data / "a\nb").write_text("")
    done = create(1234)
    assert done.returncode == 0, done.stdout
    assert set(owners(data).values()) == {1234}
    assert owners(outside) == {"shadow": 0}
    assert outside.stat().st_uid == 0


@pytest.fixture
def move_aside(run: Run, local: Host, monkeypatch: pytest.MonkeyPatch) -> Callable[[StorageState], None]:
    """Return a function that moves aside what is in the way."""

    def move_aside(state: StorageState) -> None:
        monkeypatch.setattr(storage, "_state", lambda: state)
        monkeypatch.setattr(local, "log", lambda *_: None)
        for command in storage._repair._inner():  # type: ignore[attr-defined] # noqa: SLF001 - the operation itself
            assert run(command).returncode == 0

    return move_aside


@pytest.mark.parametrize("path", ["data", "logs", "workspace", "workspace/data", "workspace/models"])
@pytest.mark.parametrize("kind", ["symbolic link", "fifo", "regular empty file"])
def test_what_is_no_directory_is_said_and_can_be_moved_aside(  # noqa: PLR0913 - fixtures
    create: Run, look: See, machine: Path, *, move_aside: Callable[[StorageState], None], path: str, kind: str
) -> None:
    """By the fact, and by the program itself; the repair keeps it, beside."""
    place = machine / STATE / path
    place.parent.mkdir(parents=True)
    if kind == "fifo":
        os.mkfifo(place)
    elif kind == "symbolic link":
        place.symlink_to("/etc")
    else:
        place.write_text("")
    (machine / "etc/data").write_text("")  # what a link in the place of the workspace would lead to
    seen = look()
    assert seen.obstacles == {f"/{STATE}/{path}": kind}
    (problem,) = problems_of(seen)
    assert problem.startswith(f"/{STATE}/{path} is a {kind} and not a directory, and a task may have put it there; ")
    done = create(1234)
    assert done.returncode == 1
    assert f"/{STATE}/{path} on vm1 is a {kind} and not a directory" in done.stdout
    move_aside(seen)
    (left,) = (machine / STATE).glob(".aside-*")
    assert left.name.endswith(f"-{path.replace('/', '-')}")
    assert stat.S_IFMT(left.lstat().st_mode) != stat.S_IFDIR
    assert (machine / "etc/data").exists()
    assert create(1234).returncode == 0
    assert is_created(look(), uid=1234, owner=0)


def test_another_user_gets_all_of_it(create: Run, run: Run, machine: Path) -> None:
    """Also where an earlier run was cut short, whose mark is there; a second run has nothing to do."""
    create(1000)
    state = machine / STATE
    for name in ("data/raw", "workspace/.dvc"):
        (state / name).mkdir()
        os.chown(state / name, 1000, 0)
    (state / "workspace/dvc.lock").write_text("")
    os.chown(state / "workspace/dvc.lock", 1000, 0)
    for path in (state / "logs", state / "data"):  # the last to be done
        os.chown(path, 998, 0)
    (state / ".handing-over").write_text("1000\n")
    hand_over = {"preludes": StackRun.preludes, "lines": "hand_over 998"}
    done = run("stack/start", **hand_over)
    assert done.returncode == 0, done.stdout
    assert "from user 1000 to user 998" in done.stdout
    assert {name: (state / name).stat().st_uid for name in NAMES} == dict.fromkeys(NAMES, 998)
    assert owners(state / "data") == {"raw": 998}
    assert owners(state / "workspace") == {"data": 0, "models": 0, ".dvc": 998, "dvc.lock": 998}
    assert run("stack/start", **hand_over).stdout == ""


def test_what_another_users_tasks_still_write_to_counts_as_created() -> None:
    """The next start hands it over."""
    kept = {f"/{STATE}/{name}": Directory(1000, "750") for name in NAMES}
    state = StorageState(directories={**kept, **ROOTS, f"/{STATE}": Directory(0, "750")}, current_uid=1000)
    assert is_created(state, uid=998, owner=0)
    assert not is_created(replace(state, current_uid=998), uid=998, owner=0)
    assert not is_created(replace(state, current_uid=0), uid=998, owner=0)


def test_the_user_id_of_the_current_release_is_known(look: See, machine: Path) -> None:
    """By what compose is told."""
    assert look().current_uid == 0
    folder = machine / "opt/flights-mlops/airflow"
    folder.mkdir(parents=True)
    (folder / ".env").write_text("AIRFLOW_IMAGE='x'\nAIRFLOW_UID='1000'\n")
    assert look().current_uid == 1000


def test_the_mounts_are_those_of_the_settings() -> None:
    """Nothing in them is another user's program; DVC's stages may run what is in the workspace."""
    plain = mounts(Settings())
    assert {path.rpartition("/")[2]: "noexec" in flags for path, flags in plain.items()} == {
        "data": True, "models": True, "logs": True, "workspace": False,
    }  # fmt: skip
    assert all({"nosuid", "nodev"} <= set(flags) for flags in plain.values())
    more = mounts(Settings(domain="a.example.org", dvc_remote="/srv/dvc"))
    assert more.keys() - plain.keys() == {"/var/lib/flights-mlops/caddy", "/srv/dvc"}
    text = unit(plain)
    assert text.count("|| mount --rbind ") == len(plain)
    assert "remount,bind,nosuid,nodev,noexec /var/lib/flights-mlops/data'\n" in text
    assert "umount" not in text


def test_a_mount_that_is_gone_is_found() -> None:
    """Or one that is not as closed."""
    wanted = mounts(Settings())
    mounted = {path: frozenset({"rw", *flags}) for path, flags in wanted.items()}
    state = StorageState(Files({UNIT: digest(unit(wanted))}), mounts=mounted, systemd=True, enabled=True)
    assert is_mounted(state, wanted)
    for path, flags in mounted.items():
        assert not is_mounted(replace(state, mounts=mounted | {path: flags - {"nosuid"}}), wanted)
    assert not is_mounted(replace(state, mounts={}), wanted)
    assert not is_mounted(replace(state, files=Files()), wanted)
    assert not is_mounted(replace(state, enabled=False), wanted)


def test_a_mount_is_read_as_the_kernel_has_it(see: See, machine: Path) -> None:
    """By the path that was asked for, also where a link leads there."""
    (machine / "var/link").symlink_to("/opt")
    found = see(Storage, mounted=["/var/link", "/opt", "/var/lib"]).mounts
    assert found.keys() == {"/var/link", "/opt"}
    assert "rw" in found["/opt"]


def test_the_unit_is_known_by_what_it_holds(look: See, machine: Path) -> None:
    """And whether systemd would start it."""
    folder = machine / "etc/systemd/system"
    (folder / "multi-user.target.wants").mkdir(parents=True)
    text = unit(mounts(Settings()))
    (folder / SERVICE).write_text(text)
    assert look().files.hold({UNIT: text})
