"""The machines that the stories are played on, started when the first test asks for one."""

import os
import signal
import time
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from .caches import Caches, caches
from .checkout import Checkout
from .command import Finished
from .host import Host
from .localhost import Localhost
from .machine import Machine

MakeMachine = Callable[..., Machine]
ALIVE: list[Host] = []
SECONDS: dict[str, float] = {}


def pytest_configure() -> None:
    """Clean up also where the tests are told to end, as CI does with a job that was cancelled."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)


@pytest.fixture(scope="session")
def package_caches() -> Iterator[Caches]:
    """Run the caches that spare repeated machines their downloads."""
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


@pytest.fixture(scope="session")
def deploys(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    package_caches: Caches,
    new_machine: MakeMachine,
) -> Iterator[dict[str, Future[Machine]]]:
    """Deploy to both Debians at once, or to the one that the selected tests ask for.

    Debian 13 has the address of the package index in its own pip configuration; Debian 12 has none, and
    is to use that of the machine one deploys from.
    """
    here = tmp_path_factory.mktemp("here") / "pip.conf"
    here.write_text(
        f"[global]\nindex-url = {package_caches.python}\ntrusted-host = {package_caches.address}\n"
    )

    def deployed(suite: str) -> Machine:
        machine = new_machine(suite, suite, pip_configured=suite == "trixie")
        machine.first_deploy = timed(machine, {} if suite == "trixie" else {"PIP_CONFIG_FILE": str(here)})
        return machine

    asked_for = {name for item in request.session.items for name in fixtures_of(item)}
    with ThreadPoolExecutor() as threads:
        yield {
            suite: threads.submit(deployed, suite) for suite in ("trixie", "bookworm") if suite in asked_for
        }


def fixtures_of(item: pytest.Item) -> set[str]:
    """Return the names of the fixtures of a test, of `host` the one it stands for."""
    parameters = (
        item.callspec.params if isinstance(item, pytest.Function) and hasattr(item, "callspec") else {}
    )
    return {*getattr(item, "fixturenames", ()), str(parameters.get("host", ""))}


def timed(host: Host, env: dict[str, str] | None = None) -> Finished:
    """Deploy to a host for the first time, and note how long it takes."""
    start = time.monotonic()
    try:
        return host.deploy(env=env)
    finally:
        SECONDS[f"first deploy to {host.name}"] = time.monotonic() - start


@pytest.fixture(scope="session")
def trixie(deploys: dict[str, Future[Machine]]) -> Machine:
    """Debian 13 with the stack on it."""
    return deploys["trixie"].result()


@pytest.fixture(scope="session")
def bookworm(deploys: dict[str, Future[Machine]]) -> Machine:
    """Debian 12 with the stack on it."""
    return deploys["bookworm"].result()


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
    if report.failed and not os.environ.get("PYTEST_XDIST_WORKER"):
        used = [value for value in getattr(item, "funcargs", {}).values() if isinstance(value, Host)]
        for host in {id(host): host for host in used or ALIVE}.values():
            report.sections.append((f"on {host.name}", host.diagnosis()))
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how long things took that tests have timed, such as the first deploys."""
    for what, seconds in SECONDS.items():
        terminalreporter.write_line(f"{what}: {seconds:.0f} s")
