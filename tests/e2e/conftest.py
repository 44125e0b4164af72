"""The machines that the stories are played on, started when the first test asks for one."""

import json
import signal
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from .caches import Caches, caches
from .checkout import Checkout
from .command import Finished
from .host import Host
from .localhost import Localhost
from .machine import Machine
from .workers import SECONDS, Workers

MakeMachine = Callable[..., Machine]
ALIVE: list[Host] = []


def pytest_configure(config: pytest.Config) -> None:
    """Clean up also where the tests are told to end, as CI does with a job that was cancelled."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if config.getoption("numprocesses", None) and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Workers())


@pytest.hookimpl(tryfirst=True)  # before xdist reports that the tests are known: it shares them out then
def pytest_collection_finish(session: pytest.Session) -> None:
    """Tell the process that shares out the tests which belong together."""
    if hasattr(session.config, "workerinput"):
        groups = {item.nodeid: group(item) for item in session.items}
        path = Path(session.config.workerinput["groups"], session.config.workerinput["workerid"])
        path.write_text(json.dumps(groups))


def group(item: pytest.Item) -> str:
    """Return what has to stay in one process with others: the test's host, or its module."""
    parametrised = isinstance(item, pytest.Function) and hasattr(item, "callspec")
    parameters = item.callspec.params.values() if parametrised else ()
    hosts = {"trixie", "bookworm", "localhost"} & {*getattr(item, "fixturenames", ()), *map(str, parameters)}
    return min(hosts, default=item.path.stem)


@pytest.fixture(scope="session")
def package_caches(request: pytest.FixtureRequest) -> Iterator[Caches]:
    """Run the caches that spare repeated machines their downloads, or use those of all processes."""
    if hasattr(request.config, "workerinput"):
        yield Caches(**request.config.workerinput["caches"])
        return
    with caches() as found:
        yield found


@pytest.fixture(scope="session")
def new_machine(package_caches: Caches, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MakeMachine]:
    """Make machines; they are destroyed after the last test."""
    with ExitStack() as destroyed:

        def make(name: str, suite: str, *, pip_configured: bool = False) -> Machine:
            machine = Machine(name, suite, tmp_path_factory.mktemp(name) / "machine")
            destroyed.callback(machine.destroy)
            machine.start(package_caches, pip_configured=pip_configured)
            ALIVE.append(machine)
            return machine

        yield make


def timed(host: Host, env: dict[str, str] | None = None) -> Finished:
    """Deploy to a host for the first time, and note how long it takes."""
    start = time.monotonic()
    try:
        return host.deploy(env=env)
    finally:
        SECONDS[f"first deploy to {host.name}"] = time.monotonic() - start


@pytest.fixture(scope="session")
def trixie(new_machine: MakeMachine) -> Machine:
    """Debian 13 with the stack on it; the address of the package index is in its own pip configuration."""
    machine = new_machine("trixie", "trixie", pip_configured=True)
    machine.first_deploy = timed(machine)
    return machine


@pytest.fixture(scope="session")
def bookworm(
    new_machine: MakeMachine, package_caches: Caches, tmp_path_factory: pytest.TempPathFactory
) -> Machine:
    """Debian 12 with the stack on it; it is to use the package index of the machine one deploys from."""
    here = tmp_path_factory.mktemp("here") / "pip.conf"
    here.write_text(
        f"[global]\nindex-url = {package_caches.python}\ntrusted-host = {package_caches.address}\n"
    )
    machine = new_machine("bookworm", "bookworm")
    machine.first_deploy = timed(machine, {"PIP_CONFIG_FILE": str(here)})
    return machine


@pytest.fixture(scope="module")
def machine(trixie: Machine) -> Iterator[Machine]:
    """Use a machine for the tests of a module; the unmodified project is on it again after them."""
    yield trixie
    trixie.deploy()


@pytest.fixture(scope="session")
def localhost() -> Iterator[Localhost]:
    """Deploy to this machine itself."""
    host = Localhost()
    ALIVE.append(host)
    try:
        host.first_deploy = timed(host)
        yield host
    finally:
        host.clear()


@pytest.fixture(scope="session", params=["trixie", "bookworm", "localhost"])
def host(request: pytest.FixtureRequest) -> Host:
    """Each of the hosts with the stack on it, one after the other."""
    found: Host = request.getfixturevalue(request.param)
    return found


@pytest.fixture(scope="session")
def bare(new_machine: MakeMachine) -> Machine:
    """Make a Debian 13 with nothing on it, for deploys that are refused and change nothing."""
    return new_machine("bare", "trixie")


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    """Copy the project, to change the copy."""
    return Checkout(tmp_path / "clone")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show, with a failure, what is wrong on the hosts of the test."""
    report = yield
    if report.failed:
        used = [value for value in getattr(item, "funcargs", {}).values() if isinstance(value, Host)]
        for host in {id(host): host for host in used or ALIVE}.values():
            report.sections.append((f"on {host.name}", host.diagnosis()))
    return report


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Hand over what was timed in this process to the one that writes the summary."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["seconds"] = SECONDS


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how long things took that tests have timed, such as the first deploys."""
    for what, seconds in SECONDS.items():
        terminalreporter.write_line(f"{what}: {seconds:.0f} s")
