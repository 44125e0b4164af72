"""The program that installs a project's requirements in the image's build: the real uv, and a small index."""

import base64
import hashlib
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from deploy.core.paths import ROOT
from deploy.images.build_here import REFUSED

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
WHEEL = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: {tag}\n"
ANY = "py3-none-any"
ANOTHER_PYTHON = "cp27-cp27m-manylinux1_x86_64"
# Of packages without a wheel: one that needs a compiler, and one that needs none.
NEEDS_A_COMPILER = """\
import sys


def build_wheel(*arguments):
    for line in range(40):
        print(f"gcc: error {line}", file=sys.stderr)
    sys.exit(1)
"""
NEEDS_NONE = """\
import pathlib, zipfile


def build_wheel(directory, *arguments):
    with zipfile.ZipFile(pathlib.Path(directory) / "pure-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("pure.py", "")
        wheel.writestr("pure-1.0.dist-info/METADATA", "Metadata-Version: 2.1\\nName: pure\\nVersion: 1.0\\n")
        wheel.writestr("pure-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr("pure-1.0.dist-info/RECORD", "")
    return "pure-1.0-py3-none-any.whl"
"""


def listed(index: Path, name: str, file: str) -> Path:
    """Have an index list one more file of a package; gives where that is to be."""
    (index / name).mkdir(parents=True, exist_ok=True)
    with (index / name / "index.html").open("a") as page:
        page.write(f'<a href="{file}">{file}</a>')
    return index / name / file


def metadata(name: str, version: str, needs: str = "") -> str:
    """Return what a package says of itself."""
    return f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n" + (f"Requires-Dist: {needs}\n" if needs else "")


def wheel(index: Path, name: str, version: str = "1.0", needs: str = "", tag: str = ANY) -> None:
    """Put a wheel that holds an empty module into an index."""
    information = f"{name}-{version}.dist-info"
    files = {
        f"{name}.py": "",
        f"{information}/METADATA": metadata(name, version, needs),
        f"{information}/WHEEL": WHEEL.format(tag=tag),
    }
    record = f"{information}/RECORD"
    lines = []
    for path, text in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        lines.append(f"{path},sha256={digest},{len(text)}\n")
    with zipfile.ZipFile(listed(index, name, f"{name}-{version}-{tag}.whl"), "w") as archive:
        for path, text in (files | {record: "".join([*lines, f"{record},,\n"])}).items():
            archive.writestr(path, text)


def source(index: Path, name: str, backend: str, version: str = "1.0") -> Path:
    """Put the source of a package into an index, which its own backend builds; gives the file."""
    folder = index.parent / f"{name}-{version}"
    folder.mkdir()
    (folder / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    )
    # As of 2.2, what it says here need not be built to be known.
    (folder / "PKG-INFO").write_text(metadata(name, version).replace("2.1", "2.2"))
    (folder / "backend.py").write_text(backend)
    archive = listed(index, name, f"{name}-{version}.tar.gz")
    subprocess.run(["tar", "-czf", archive, "-C", index.parent, folder.name], check=True)
    return archive


@pytest.fixture
def index(tmp_path: Path) -> Path:
    """Return an index with a package that wants an older version of the other."""
    folder = tmp_path / "index"
    wheel(folder, "outer", needs="inner<2")
    wheel(folder, "inner")
    return folder


@pytest.fixture
def root(tmp_path: Path, index: Path) -> Path:
    """Return what the build has when the program begins: what is in /build, and Airflow's environment in /opt."""
    assert index.exists()
    for name in ("build/installer/bin", "opt"):
        (tmp_path / name).mkdir(parents=True)
    shutil.copy(ROOT / "files/images/install-project", tmp_path / "build")
    (tmp_path / "build/installer/bin/uv").symlink_to(ROOT / ".venv/bin/uv")
    (tmp_path / "build/requirements.txt").write_text("inner==1.0\n")
    python = Path(sys.executable).resolve()
    subprocess.run([ROOT / ".venv/bin/uv", "venv", "--quiet", "--python", python, tmp_path / "opt/venv"], check=True)
    return tmp_path


def built(root: Path, environment: str = "", requirements: str = "", constraints: str = "") -> tuple[int, list[str]]:
    """Run the program for a project that has these requirements; gives its exit code and what it has printed."""
    if environment:
        (root / f"build/project-{environment}.txt").write_text(requirements)
    if constraints:
        (root / "build/project-constraints.txt").write_text(constraints)
    uv = {"UV_DEFAULT_INDEX": f"file://{root}/index", "UV_NO_CONFIG": "1", "UV_CACHE_DIR": f"{root}/cache"}
    python = str(Path(sys.executable).resolve())
    done = subprocess.run(
        [python, root / "build/install-project", root / "opt"],
        env=os.environ | uv,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=60,
    )  # fmt: skip
    return done.returncode, done.stdout.splitlines()


def refused(lines: list[str]) -> list[str]:
    """Return the lines that the deploy takes for the reason, as BuildKit prints them, without their beginning."""
    return [REFUSED.sub("", said) for line in lines if REFUSED.match(said := f"#9 1.23 {line}")]


def installed(root: Path, environment: str, module: str) -> bool:
    """Whether an environment has a module."""
    return len(list(root.glob(f"opt/{environment}/lib/python*/site-packages/{module}.py"))) == 1


both = pytest.mark.parametrize("environment", ["shared", "separate"])


def test_the_build_runs_it() -> None:
    """With what it reads beside it, and the environments where the image has them."""
    text = (ROOT / "files/images/Dockerfile").read_text()
    assert "COPY airflow/install-project airflow/project-*.txt /build/\n" in text
    assert re.search(r"\. /run/index\.env && set \+a && /usr/local/bin/python3 /build/install-project /opt\n", text)


@pytest.mark.parametrize(("environment", "where"), [("shared", "venv"), ("separate", "project")])
def test_what_goes_together_is_installed(root: Path, environment: str, where: str) -> None:
    """With what it needs itself, in the environment that was asked for."""
    code, said = built(root, environment, "outer\n")
    assert (code, refused(said)) == (0, []), said
    assert any("outer==1.0" in line for line in said), said
    assert installed(root, where, "inner")


def test_without_another_project_nothing_is_done(root: Path) -> None:
    """The flights are in the lock of the image."""
    assert built(root) == (0, [])
    assert list((root / "opt/project").iterdir()) == []


@both
def test_a_project_may_require_nothing(root: Path, environment: str) -> None:
    """Its environment is there all the same."""
    code, said = built(root, environment)
    assert (code, refused(said)) == (0, []), said
    assert (root / "opt/project/bin/python").exists() is (environment == "separate")


@both
def test_constraints_hold(root: Path, index: Path, environment: str) -> None:
    """Of the versions that there are, one that they allow; of what nobody requires, nothing is installed."""
    wheel(index, "outer", "2.0", needs="inner")
    code, said = built(root, environment, "outer\n", constraints="outer<2\nother==1\n")
    assert (code, refused(said)) == (0, []), said
    assert any("outer==1.0" in line for line in said), said


@both
@pytest.mark.parametrize(
    ("requirements", "constraints"), [("outer\ninner>=2\n", ""), ("outer\n", "inner>=2\n")], ids=["own", "constraints"]
)
def test_versions_that_do_not_go_together_are_refused(
    root: Path, environment: str, requirements: str, constraints: str
) -> None:
    """One line says so, behind what uv says of it."""
    code, said = built(root, environment, requirements, constraints)
    assert code == 1
    (line,) = refused(said)
    (at,) = (at for at, text in enumerate(said) if "No solution found" in text)
    assert at < len(said) - 1
    assert said[-1].endswith(line)
    assert ("set project_environment to separate" in line) is (environment == "shared")


@both
@pytest.mark.parametrize(
    ("others", "hint"),
    [
        (("0.5", "0.9", "1.5", "3.0"), "; the nearest version that has one is 1.5: change the project's requirements"),
        (("0.5", "0.9"), "; the nearest version that has one is 0.9: change the project's requirements"),
        ((), ", and no other version has one: use another package in the project's requirements"),
    ],
    ids=["later", "earlier", "none"],
)
def test_what_needs_a_compiler_is_refused(
    root: Path, index: Path, environment: str, others: tuple[str, ...], hint: str
) -> None:
    """In one sentence, and nothing of what a compiler says; what uv did before is shown."""
    source(index, "compiled", NEEDS_A_COMPILER)
    for version in others:
        wheel(index, "compiled", version)
    code, said = built(root, environment, "inner\ncompiled==1.0\n")
    assert code == 1
    assert refused(said) == [f"compiled 1.0 has no wheel for Python {PYTHON}{hint}"]
    assert any("Building compiled==1.0" in line for line in said), said
    assert not [line for line in said if "gcc" in line or "error" in line]


def test_what_another_package_needs_is_named_as_well(root: Path, index: Path) -> None:
    """It is what lacks a wheel, whoever asks for it."""
    source(index, "compiled", NEEDS_A_COMPILER)
    wheel(index, "compiled", "2.0")
    wheel(index, "needing", needs="compiled==1.0")
    _, said = built(root, "shared", "needing\n")
    assert refused(said)[0].startswith(f"compiled 1.0 has no wheel for Python {PYTHON}; the nearest")


def test_wheels_for_another_python_alone_are_refused(root: Path, index: Path) -> None:
    """There is nothing to build then, and uv finds no solution; it is no matter of other packages."""
    wheel(index, "binary", "1.0", tag=ANOTHER_PYTHON)
    wheel(index, "binary", "2.0", tag=ANOTHER_PYTHON)
    wheel(index, "binary", "2.5")
    code, said = built(root, "shared", "binary==1.0\n")
    assert code == 1
    (line,) = refused(said)
    assert line.startswith(f"binary 1.0 has no wheel for Python {PYTHON}; the nearest version that has one is 2.5: ")


def test_what_needs_no_compiler_is_built(root: Path, index: Path) -> None:
    """Many packages of pure Python come as their source."""
    source(index, "pure", NEEDS_NONE)
    code, said = built(root, "shared", "pure==1.0\n")
    assert (code, refused(said)) == (0, []), said
    assert installed(root, "venv", "pure")


@both
@pytest.mark.parametrize("name", ["inner", "compiled"])
def test_another_file_is_not_called_a_conflict(root: Path, index: Path, environment: str, name: str) -> None:
    """Nor a lack of wheels; uv says what it is."""
    source(index, "compiled", NEEDS_A_COMPILER)
    code, said = built(root, environment, f"{name}==1.0 --hash=sha256:{'0' * 64}\n")
    assert code == 1
    assert any("Hash mismatch" in line for line in said), said
    assert refused(said) == []
