"""The rules of the house: what belongs where, held against the source itself."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from itertools import takewhile
from pathlib import Path

import pytest

from deploy.core.run import Run, StackRun

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(DEPLOY.rglob("*.py"))
}
PROGRAMS = {str(path.relative_to(DEPLOY).with_suffix("")): path for path in sorted(DEPLOY.rglob("*.sh"))}
PRELUDES = {"Run": Run.preludes, "StackRun": StackRun.preludes, "look": ()}
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))

every_module = pytest.mark.parametrize("name", MODULES)
every_program = pytest.mark.parametrize("name", PROGRAMS)
every_lock = pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.stem)


@cache
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


@cache
def depends_on(name: str) -> frozenset[str]:
    """Return the modules of deploy/ that a module imports."""
    found = set()
    for wanted in imported(ROOT / "deploy.py" if name == "deploy.py" else MODULES[name]):
        found |= {wanted} & MODULES.keys() or {wanted.rpartition(".")[0]} & MODULES.keys()
    return frozenset(found - {"deploy"})


def chain(name: str, above: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Return the longest chain of imports from a module; fails where one leads back to itself."""
    assert name not in above, f"these import each other: {' → '.join((*above, name))}"
    return (name, *max((_longest(wanted, (*above, name)) for wanted in depends_on(name)), key=len, default=()))


LONGEST: dict[str, tuple[str, ...]] = {}


def _longest(name: str, above: tuple[str, ...]) -> tuple[str, ...]:
    if name not in LONGEST:
        LONGEST[name] = chain(name, above)
    return LONGEST[name]


def command(module: str, function: str) -> str:
    """Return a step's name as a user types it, without ``deploy.``."""
    return f"{module.removeprefix('deploy.')}.{function}"


STEPS = {
    command(name, step): node for name, path in MODULES.items() for step, node in decorated(path, "deploy").items()
}
OPERATIONS = {
    f"{name}.{operation}": node
    for name, path in MODULES.items()
    for operation, node in decorated(path, "operation").items()
}


def test_deploy_py_is_a_table_of_contents() -> None:
    """Imports, and one call a line: no condition, no loop, no operation, no argument."""
    docstring, *statements = parsed(ROOT / "deploy.py").body
    assert isinstance(docstring, ast.Expr)
    calls = [node for node in statements if not isinstance(node, ast.ImportFrom)]
    texts = [ast.unparse(call) for call in calls]
    assert (texts[0], texts[-1]) == ("plan.begin()", "plan.end()")
    for text in texts[1:-1]:
        assert re.fullmatch(r"[a-z_]+\.[a-z_]+\(\)", text), text
        assert text.removesuffix("()") in STEPS


def test_deploy_py_says_where_the_switch_is() -> None:
    """A comment divides what touches the running stack from what does not."""
    before, after = (ROOT / "deploy.py").read_text().split("Nothing above this line touches what is running")
    for call in ("stack.migrate()", "stack.activate()", "stack.start()"):
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
    assert not [node for node in ast.walk(step) if isinstance(node, ast.Return) and node.value]
    assert ast.get_docstring(step)


@every_module
def test_failures_are_isolated_per_host(name: str) -> None:
    """Steps and operations are made by core/step.py: with pyinfra's own, one host's error ends all."""
    if name != "deploy.core.step":
        assert not imported(MODULES[name]) & {"pyinfra.api.operation", "pyinfra.api.deploy.deploy"}


def operation_calls() -> Iterator[tuple[str, ast.Call]]:
    """Yield the calls of operations in deploy/, each with where it stands."""
    names = {name.rpartition(".")[2] for name in OPERATIONS}
    for module, path in MODULES.items():
        own = set(decorated(path, "operation"))
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.Call) and (called := ast.unparse(node.func)).rpartition(".")[2] in names:
                foreign = {f"{name}.{called.rpartition('.')[2]}" for name in imported(path)} & OPERATIONS.keys()
                if called in own or ("." in called and foreign):
                    yield f"{module}:{node.lineno}", node


def test_every_operation_has_a_name() -> None:
    """Without one, pyinfra prints the operation's arguments. It reads as an instruction, without a period."""
    called = dict(operation_calls())
    assert len(called) >= len(OPERATIONS)
    for where, call in called.items():
        names = [ast.unparse(keyword.value) for keyword in call.keywords if keyword.arg == "name"]
        assert len(names) == 1, f"{where} gives no name="
        assert re.fullmatch(r"f?['\"][A-Z].*[^.]['\"]", names[0]), where


@every_module
def test_an_operation_has_the_name_of_its_step(name: str) -> None:
    """It is private, because steps are what is called; where a step has one, both have one name."""
    operations = set(decorated(MODULES[name], "operation"))
    assert all(operation.startswith("_") for operation in operations)
    for step, node in decorated(MODULES[name], "deploy").items():
        calls = {ast.unparse(call.func) for call in ast.walk(node) if isinstance(call, ast.Call)} & operations
        assert len(calls) != 1 or calls == {f"_{step}"}


def test_the_tool_and_the_project_know_nothing_of_each_other() -> None:
    """deploy/ imports neither src nor dags, nor they it."""
    for path in (*MODULES.values(), ROOT / "deploy.py", ROOT / "inventory.py"):
        assert not packages(path) & {"src", "dags", "airflow", "tests"}, path
    for folder in ("src", "dags"):
        for path in (ROOT / folder).rglob("*.py"):
            assert not packages(path) & {"deploy", "pyinfra", "tests"}, path


def test_core_knows_no_capability() -> None:
    """It runs steps, whatever they are; it reads settings, and nothing else of deploy/."""
    for name, path in MODULES.items():
        own = {wanted for wanted in imported(path) if wanted.startswith("deploy.")}
        if name.startswith("deploy.core"):
            assert all(wanted.startswith(("deploy.core", "deploy.settings")) for wanted in own), name


def test_imports_are_few_floors_high() -> None:
    """No two modules import each other, and no chain of imports is longer than nine."""
    longest = chain("deploy.py")
    assert len(longest) - 1 <= 9, " → ".join(longest)


def test_what_only_computes_imports_no_pyinfra() -> None:
    """What a release is made of is the same with and without a host."""
    for name in ("content", "checkout", "requirements", "rendering"):
        assert "pyinfra" not in packages(MODULES[f"deploy.release.{name}"])
    assert packages(MODULES["deploy.release.content"]) <= sys.stdlib_module_names


def constants(call: ast.Call) -> Iterator[str]:
    """Yield the texts among the arguments of a call."""
    for node in (*call.args, *(keyword.value for keyword in call.keywords)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
        elif ast.unparse(node) == "files.PROGRAM":
            yield "core/files"


@cache
def sent() -> dict[str, set[str]]:
    """Return the programs that deploy/ sends, by what sends them: Run, StackRun, or look for those of facts."""
    kinds = {"Run": "Run", "Ship": "Run", "Trial": "Run", "_change": "Run", "StackRun": "StackRun", "look": "look"}
    found: dict[str, set[str]] = {kind: set() for kind in PRELUDES}
    for path in MODULES.values():
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func).rpartition(".")[2]
                if called == "__init__":
                    called = "Run"
                if called in kinds:
                    found[kinds[called]] |= {text for text in constants(node) if text in PROGRAMS}
    return found


def test_every_program_is_sent() -> None:
    """What is there is sent by a step or a fact, or comes before what is."""
    preludes = {part for parts in PRELUDES.values() for part in parts}
    assert set().union(*sent().values()) | preludes == set(PROGRAMS)


@every_program
def test_a_program_says_what_it_does(name: str) -> None:
    """For shellcheck which shell, for a person what it does; it is text that is sent, and no file to run."""
    first, *rest = PROGRAMS[name].read_text().splitlines()
    assert re.match(r"# shellcheck shell=bash( |$)", first)
    comment = " ".join(line.removeprefix("# ") for line in takewhile(lambda line: line.startswith("# "), rest))
    assert re.match(r"[A-Z].*[.:]", comment)
    assert not PROGRAMS[name].stat().st_mode & 0o111


FUNCTION = re.compile(r"^(\w+)\(\) \{(?:[^\n]*\}$|.*?^\}$)", re.MULTILINE | re.DOTALL)


def shell(name: str) -> str:
    """Return a program without its comments and texts of one line, in which words are no calls."""
    return re.sub(r"(?m)(^|\s)#.*$|'[^'\n]*'", "", PROGRAMS[name].read_text())


def functions(*names: str) -> dict[str, str]:
    """Return the functions that programs define, with their text, by name."""
    return {found[1]: found[0] for name in names for found in FUNCTION.finditer(shell(name))}


SHARED = set(functions(*StackRun.preludes))


def called(text: str) -> set[str]:
    """Return the functions of the preludes that a text calls: words where a command may stand."""
    pattern = r"(?:^|[;&|(]|\b(?:if|then|else|do|while|until)\b|[!{])\s*(\w+)\b(?!\(\)|\+?=|')"
    return set(re.findall(pattern, text, re.MULTILINE)) & SHARED


@pytest.mark.parametrize("name", sorted(sent()["Run"] | sent()["StackRun"]))
def test_a_program_has_what_it_calls(name: str) -> None:
    """In its preludes, or itself: bash would find out in the middle."""
    kind = "StackRun" if name in sent()["StackRun"] else "Run"
    assert called(shell(name)) <= set(functions(*PRELUDES[kind], name))


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
    assert not re.search(r"^\s*(-i|-f|--index-url|--extra-index-url|--find-links|--trusted-host)\b", text, re.MULTILINE)


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
        found += [f"{name}: {what}" for what, before in forbidden.items() if re.search(before + re.escape(what), text)]
    assert found == []
