"""The step of the Dockerfile that installs a project's requirements: the real uv, and a small index."""

import base64
import hashlib
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from deploy.core.paths import ROOT
from deploy.images.build_here import REFUSED

# A package that wants the other one.
METADATA = {
    "outer": "Metadata-Version: 2.1\nName: outer\nVersion: 1.0\nRequires-Dist: inner<2\n",
    "inner": "Metadata-Version: 2.1\nName: inner\nVersion: 1.0\n",
}
WHEEL = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


def listed(index: Path, name: str, file: str) -> Path:
    """Have an index list a file of a package; gives where that is to be."""
    (index / name).mkdir(parents=True)
    (index / name / "index.html").write_text(f'<a href="{file}">{file}</a>')
    return index / name / file


def wheel(folder: Path, name: str) -> None:
    """Put a wheel that holds an empty module into an index."""
    files = {
        f"{name}.py": "",
        f"{name}-1.0.dist-info/METADATA": METADATA[name],
        f"{name}-1.0.dist-info/WHEEL": WHEEL,
    }
    record = f"{name}-1.0.dist-info/RECORD"
    lines = []
    for path, text in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        lines.append(f"{path},sha256={digest},{len(text)}\n")
    made = listed(folder, name, f"{name}-1.0-py3-none-any.whl")
    with zipfile.ZipFile(made, "w") as archive:
        for path, text in (files | {record: "".join([*lines, f"{record},,\n"])}).items():
            archive.writestr(path, text)


@pytest.fixture
def step(tmp_path: Path) -> str:
    """Return the step as bash runs it, with the paths of the build below a directory of this test."""
    text = (ROOT / "files/images/Dockerfile").read_text()
    _, _, rest = text.partition("airflow/project-*.txt /build/\n")
    run = re.search(r"^RUN (.*?[^\\])\n", rest, re.MULTILINE | re.DOTALL)
    assert run
    line = re.sub(r"^(\s*--mount=\S+)+", "", run[1].replace("\\\n", ""))
    for name in ("build/installer/bin", "opt"):
        (tmp_path / name).mkdir(parents=True)
    for name in METADATA:
        wheel(tmp_path / "index", name)
    (tmp_path / "build/installer/bin/uv").symlink_to(ROOT / ".venv/bin/uv")
    (tmp_path / "build/requirements.txt").write_text("inner==1.0\n")
    (tmp_path / "index.env").write_text(
        f"UV_DEFAULT_INDEX=file://{tmp_path}/index\nUV_NO_CONFIG=1\nUV_CACHE_DIR={tmp_path}/cache\n"
    )
    python = Path(sys.executable).resolve()
    subprocess.run([ROOT / ".venv/bin/uv", "venv", "--quiet", "--python", python, tmp_path / "opt/venv"], check=True)
    line = line.replace("/usr/local/bin/python3", str(python)).replace("/run/index.env", f"{tmp_path}/index.env")
    return re.sub(r"(?<![\w.])/(build|opt)/", rf"{tmp_path}/\1/", line)


def built(step: str, root: Path, environment: str, requirements: str) -> tuple[int, list[str]]:
    """Run the step for a project that has these requirements; gives its exit code and what it has printed."""
    (root / f"build/project-{environment}.txt").write_text(requirements)
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", step],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=60,
    )  # fmt: skip
    return done.returncode, done.stdout.splitlines()


def refused(lines: list[str]) -> list[str]:
    """Return the lines that the deploy takes for the reason, as BuildKit prints them."""
    return [line for line in lines if REFUSED.match(f"#9 1.23 {line}")]


@pytest.mark.parametrize(("environment", "where"), [("shared", "venv"), ("separate", "project")])
def test_what_goes_together_is_installed(step: str, tmp_path: Path, environment: str, where: str) -> None:
    """With what it needs itself, in the environment that was asked for."""
    code, said = built(step, tmp_path, environment, "outer\n")
    assert (code, refused(said)) == (0, []), said
    assert any("outer==1.0" in line for line in said), said
    assert len(list(tmp_path.glob(f"opt/{where}/lib/python*/site-packages/inner.py"))) == 1


def test_without_another_project_nothing_is_done(step: str, tmp_path: Path) -> None:
    """The flights are in the lock of the image."""
    done = subprocess.run(["bash", "-o", "pipefail", "-c", step], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert list((tmp_path / "opt/project").iterdir()) == []


@pytest.mark.parametrize("environment", ["shared", "separate"])
def test_versions_that_do_not_go_together_are_refused(step: str, tmp_path: Path, environment: str) -> None:
    """One line says so, behind what uv says of it."""
    code, said = built(step, tmp_path, environment, "outer\ninner>=2\n")
    assert code == 1
    (line,) = refused(said)
    assert said.index(line) > next(at for at, text in enumerate(said) if "No solution found" in text)
    assert ("set project_environment to separate" in line) is (environment == "shared")


@pytest.mark.parametrize("environment", ["shared", "separate"])
@pytest.mark.parametrize(
    ("requirements", "reason"),
    [
        (f"inner==1.0 --hash=sha256:{'0' * 64}\n", "Hash mismatch"),
        ("broken\n", "Failed to build"),
    ],
    ids=["another file", "no build"],
)
def test_another_failure_is_not_called_a_conflict(
    step: str, tmp_path: Path, environment: str, requirements: str, reason: str
) -> None:
    """A file that is another, or a source that does not build, is no matter of versions; uv says what."""
    source = tmp_path / "broken-1.0"
    source.mkdir()
    (source / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "gone"\nbackend-path = ["."]\n'
    )
    (source / "PKG-INFO").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n")
    archive = listed(tmp_path / "index", "broken", "broken-1.0.tar.gz")
    subprocess.run(["tar", "-czf", archive, "-C", tmp_path, source.name], check=True)
    code, said = built(step, tmp_path, environment, requirements)
    assert code == 1
    assert any(reason in line for line in said), said
    assert refused(said) == []
