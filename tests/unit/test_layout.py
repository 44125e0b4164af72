"""The rules of the house: what belongs where, held against the source itself."""  # noqa: INP001 - no package: it would take `deploy` below it along, under the name of the real one

import ast
import importlib.metadata
import re
import subprocess
import sys
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path

import pyinfra.facts
import pyinfra.operations
import pytest

from deploy import script

ROOT = Path(__file__).resolve().parents[2]
MODULES = sorted((ROOT / "deploy").glob("*.py"))
FOLDER = ROOT / "deploy" / "scripts"
SCRIPTS = sorted(FOLDER.glob("*.sh"))
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))

every_module = pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
every_script = pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
every_lock = pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.stem)


def parsed(path: Path) -> ast.Module:
    """Return the syntax tree of a source file."""
    return ast.parse(path.read_text(), str(path))


def decorated(path: Path, decorator: str) -> dict[str, ast.FunctionDef]:
    """Return the functions of a module that are decorated with ``@decorator(...)``, by name."""
    return {
        node.name: node
        for node in parsed(path).body
        if isinstance(node, ast.FunctionDef)
        for mark in node.decorator_list
        if isinstance(mark, ast.Call) and isinstance(mark.func, ast.Name) and mark.func.id == decorator
    }


def imported(path: Path) -> set[str]:
    """Return the dotted names of all that a module imports, wherever in it."""
    names = set()
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def packages(path: Path) -> set[str]:
    """Return the top-level packages that a module imports from."""
    return {name.split(".")[0] for name in imported(path)}


STEPS = {f"{path.stem}.{name}": node for path in MODULES for name, node in decorated(path, "deploy").items()}
OPERATIONS = {
    f"{path.stem}.{name}": node for path in MODULES for name, node in decorated(path, "operation").items()
}


def test_deploy_py_is_a_table_of_contents() -> None:
    """A docstring, one import and one call a line: no condition, no loop, no operation, no argument."""
    docstring, imports, *calls = parsed(ROOT / "deploy.py").body
    assert isinstance(docstring, ast.Expr)
    assert isinstance(docstring.value, ast.Constant)
    assert isinstance(imports, ast.ImportFrom)
    assert imports.module == "deploy"
    assert calls
    for call in calls:
        assert re.fullmatch(r"[a-z_]+\.[a-z_]+\(\)", ast.unparse(call)), ast.unparse(call)
        assert ast.unparse(call).removesuffix("()") in STEPS


def test_deploy_py_says_where_the_switch_is() -> None:
    """A comment divides what touches the running stack from what does not."""
    before, after = (ROOT / "deploy.py").read_text().split("Nothing above this line touches what is running")
    for call in ("stack.migrate()", "project.activate()", "stack.start()"):
        assert call not in before
        assert call in after


@pytest.mark.parametrize("name", STEPS)
def test_a_step_is_a_command(name: str) -> None:
    """It can be called without arguments, those it may take have names, and it returns nothing."""
    step = STEPS[name]
    assert not step.args.args
    assert not step.args.posonlyargs
    assert not step.args.vararg
    assert all(default is not None for default in step.args.kw_defaults)
    assert isinstance(step.returns, ast.Constant)
    assert step.returns.value is None
    assert not [node for node in ast.walk(step) if isinstance(node, ast.Return) and node.value]
    assert ast.get_docstring(step)


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_says_what_it_does(name: str) -> None:
    """Its arguments have names, and it has a docstring."""
    operation = OPERATIONS[name]
    assert not operation.args.args
    assert not operation.args.vararg
    assert ast.get_docstring(operation)


@every_module
def test_a_fault_is_that_of_one_host(path: Path) -> None:
    """Steps and operations are made by deploy/step.py: with pyinfra's own, one host's fault ends all."""
    if path.stem != "step":
        assert not imported(path) & {
            "pyinfra.api.operation",
            "pyinfra.api.deploy",
            "pyinfra.api.deploy.deploy",
        }


def operation_calls() -> Iterator[tuple[str, ast.Call]]:
    """Yield the calls of operations in deploy/, each with where it stands."""
    for path in MODULES:
        own = set(decorated(path, "operation"))
        foreign = {name.split(".", 1)[1] for name in imported(path) if name.startswith("deploy.")}
        for node in ast.walk(parsed(path)):
            if not isinstance(node, ast.Call):
                continue
            called = ast.unparse(node.func)
            module = called.split(".")[0]
            if called in own or (module in foreign and called in OPERATIONS):
                yield f"deploy/{path.name}:{node.lineno}", node


def test_every_operation_has_a_name() -> None:
    """Without one, pyinfra prints the operation's arguments. It reads as an instruction, without a period."""
    called = dict(operation_calls())
    assert len(called) >= len(OPERATIONS)
    for where, call in called.items():
        names = [ast.unparse(keyword.value) for keyword in call.keywords if keyword.arg == "name"]
        assert len(names) == 1, f"{where} gives no name="
        assert re.fullmatch(r"f?['\"][A-Z][^.]*(\.[^.\s][^.]*)*['\"]", names[0]), where


def test_the_tool_and_the_project_know_nothing_of_each_other() -> None:
    """deploy/ imports neither src nor dags, nor they it."""
    for path in (*MODULES, ROOT / "deploy.py", ROOT / "inventory.py"):
        assert not packages(path) & {"src", "dags", "airflow", "tests"}, path
    for folder in ("src", "dags"):
        for path in (ROOT / folder).rglob("*.py"):
            assert not packages(path) & {"deploy", "pyinfra", "tests"}, path


def test_what_only_computes_imports_no_pyinfra() -> None:
    """release.py stands alone; configuration.py builds on it, on the checkout, and on what a setting is."""
    assert packages(ROOT / "deploy/release.py") <= sys.stdlib_module_names
    for module in ("configuration", "checkout", "requirement", "template"):
        assert "pyinfra" not in packages(ROOT / f"deploy/{module}.py")
        own = {name for name in imported(ROOT / f"deploy/{module}.py") if name.startswith("deploy.")}
        assert own <= {
            "deploy.checkout",
            "deploy.release",
            "deploy.release.File",
            "deploy.requirement",
            "deploy.settings.Settings",
            "deploy.template",
        }
    loaded = "import sys, deploy.release; print([name for name in sys.modules if 'pyinfra' in name])"
    done = subprocess.run(
        [sys.executable, "-c", loaded], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"


def test_the_package_is_no_more_than_a_docstring() -> None:
    """It is there to win over deploy.py."""
    (docstring,) = parsed(ROOT / "deploy/__init__.py").body
    assert isinstance(docstring, ast.Expr)


@every_module
def test_a_module_is_a_noun_that_nothing_else_is_called(path: Path) -> None:
    """No name of the standard library, of a dependency or of pyinfra, and no drawer for odds and ends."""
    if path.stem == "__init__":
        return
    taken = {
        *sys.stdlib_module_names,
        *importlib.metadata.packages_distributions(),
        *pyinfra.operations.__all__,
        *(found.stem for found in Path(*pyinfra.facts.__path__).glob("*.py")),
    }
    assert path.stem not in taken
    assert not set(path.stem.split("_")) & {"utils", "util", "common", "helpers", "helper", "misc"}


@every_module
def test_a_module_fits_on_a_few_screens(path: Path) -> None:
    """One capability a module, said in its docstring; beyond 200 lines it is two."""
    assert len(path.read_text().splitlines()) <= 200
    assert ast.get_docstring(parsed(path))


@every_script
def test_a_script_says_what_it_is(path: Path) -> None:
    """For shellcheck which shell, for a person what it does; it is text that is sent, not a program."""
    first, *rest = path.read_text().splitlines()
    assert re.match(r"# shellcheck shell=bash( |$)", first)
    comment = " ".join(
        line.removeprefix("# ") for line in takewhile(lambda line: line.startswith("# "), rest)
    )
    assert re.match(r"[A-Z].*\.", comment)
    assert not path.stat().st_mode & 0o111


def sent(*functions: str) -> set[str]:
    """Return the scripts that deploy/ sends through one of these functions."""
    names = set()
    for path in MODULES:
        for node in ast.walk(parsed(path)) if path.stem != "script" else ():
            if isinstance(node, ast.Call) and ast.unparse(node.func) in functions:
                name = node.args[0]
                # A kind of Run that is made for any script has its name from who makes it.
                assert isinstance(name, ast.Constant) or ast.unparse(node.func) == "super().__init__", path
                names |= {str(name.value)} if isinstance(name, ast.Constant) else set()
    return names


# Ship is a Run of one script, and Trial one of any.
CHANGING, READING = sent("Run", "Trial", "super().__init__"), sent("script.command")


def test_every_script_is_sent_by_a_step() -> None:
    """What is sent exists, and what exists is sent, or used by what is sent."""
    assert CHANGING
    assert READING
    used = {part for name in CHANGING | READING for part in script.parts(name)}
    assert used == {path.stem for path in SCRIPTS}


@pytest.mark.parametrize("name", sorted(CHANGING))
def test_what_changes_a_host_does_so_alone(name: str) -> None:
    """It fails with a sentence, and takes the lock before its own first line; unlock takes none."""
    claims = [] if name == "unlock" else ["claim"]
    assert script.parts(name)[: 3 + len(claims)] == ["common", "prelude", "lock", *claims]


@pytest.mark.parametrize("name", sorted(READING))
def test_what_only_looks_takes_no_lock(name: str) -> None:
    """Who looks must not wait for who deploys."""
    assert "claim" not in script.parts(name)


def requirements(path: Path) -> dict[str, str]:
    """Return what a lock file pins, each with the rest of its logical line."""
    text = re.sub(r"^\s*#.*\n", "", path.read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    lines = [line.split(maxsplit=1) for line in text.splitlines() if line.strip()]
    return {pinned: " ".join(rest) for pinned, *rest in lines}


@every_lock
def test_a_lock_pins_and_hashes_every_package(path: Path) -> None:
    """One version each, by what is in it, and from no address: the index is that of the machine."""
    found = requirements(path)
    assert found
    for pinned, rest in found.items():
        assert re.fullmatch(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?==[0-9][\w.+!]*", pinned), pinned
        assert "--hash=sha256:" in rest, pinned
    text = path.read_text()
    assert "://" not in text
    assert not re.search(
        r"^\s*(-i|-f|--index-url|--extra-index-url|--find-links|--trusted-host)\b", text, re.MULTILINE
    )


@every_lock
def test_the_locks_are_one_resolution(path: Path) -> None:
    """Deploy tool, image and tests run the same versions."""
    assert requirements(path).keys() <= requirements(ROOT / "requirements/dev.txt").keys()


def test_no_machine_or_mirror_is_named() -> None:
    """The repository works anywhere: no tracked file names a machine's folder or a registry's host."""
    # Written with spaces, so that this file passes as well.
    hosts = ("pypi org", "pythonhosted org", "deb debian org", "security debian org", "registry npmjs org")
    forbidden = {host.replace(" ", "."): "" for host in hosts}
    forbidden[" work ".replace(" ", "/")] = r"(?<![\w${}.*/-])"
    listed = subprocess.run(["git", "-C", ROOT, "ls-files", "-z"], capture_output=True, text=True, check=True)
    names = [name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]
    assert "deploy.py" in names
    found = []
    for name in names:
        text = (ROOT / name).read_bytes().decode(errors="replace")
        found += [
            f"{name}: {what}"
            for what, before in forbidden.items()
            if re.search(before + re.escape(what), text)
        ]
    assert found == []
