"""The machines that the stories are played on, started when the first test asks for one."""

import json
import os
import signal
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from . import times
from .caches import Caches, caches
from .checkout import Checkout
from .command import Finished, run, until
from .containers import containers
from .host import CURRENT, Host
from .localhost import Localhost
from .machine import Machine, clear, run_id
from .saved import Saved, Shelf
from .times import FIRST_DEPLOYS, SECONDS, noted
from .workers import Workers

MakeMachine = Callable[..., Machine]
ALIVE: list[Host] = []
SHARED = {"trixie", "bookworm"}
# By when a volume was made, a host knows that it is the one that was migrated: of a copied one, that is another time.
SAME_VOLUME = """
made=$(docker volume inspect --format '{{.CreatedAt}}' flights-mlops_postgres-airflow-data)
cd /var/lib/flights-mlops
former=$(cat .demoted)
sed -i "s/$former/$made/" .migrated .demoted
"""
STARTS, COPIES, SAVES = "bare machines, started", "deployed machines, started as copies", "deployed machines, saved"


def pytest_configure(config: pytest.Config) -> None:
    """Clean up also where the tests are told to end, as CI does with a job that was cancelled."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    # Hundreds of runs of pyinfra would compile this project, and all that it uses, each for itself.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    if config.getoption("numprocesses", None) and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Workers())


@pytest.hookimpl(tryfirst=True)  # before xdist reports that the tests are known: it shares them out then
def pytest_collection_finish(session: pytest.Session) -> None:
    """Tell the process that shares out the tests which belong together."""
    if hasattr(session.config, "workerinput"):
        found = {item.nodeid: group(item) for item in session.items}
        path = Path(session.config.workerinput["groups"], session.config.workerinput["workerid"])
        path.write_text(json.dumps(found))


def group(item: pytest.Item) -> tuple[str, str]:
    """Return what has to stay in one process with others: the host of a test, if it is one of all, and its module.

    There is one of this machine, so what uses it or its Docker stays together, whatever the module.
    """
    needed = names(item)
    if {"localhost", "docker_here"} & needed:
        return "localhost", ""
    return min(SHARED & needed, default=""), item.path.stem


def names(item: pytest.Item) -> set[str]:
    """Return the names of the fixtures that a test uses, those that it is parametrised with included."""
    parametrised = isinstance(item, pytest.Function) and hasattr(item, "callspec")
    parameters = item.callspec.params.values() if parametrised else ()
    return {*getattr(item, "fixturenames", ()), *map(str, parameters)}


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Have the shared machines that a test does not use stand still: an idle Airflow takes a third of a processor."""
    needed = names(item)
    for host in ALIVE:
        if isinstance(host, Machine) and host.name in SHARED:
            if host.name in needed:
                host.go_on()
            else:
                host.stand_still()


@pytest.fixture(scope="session")
def package_caches(request: pytest.FixtureRequest) -> Iterator[Caches]:
    """Run the caches that spare repeated machines their downloads, or use those of all processes."""
    if hasattr(request.config, "workerinput"):
        yield Caches(**request.config.workerinput["caches"])
        return
    with caches() as found:
        yield found


@pytest.fixture(scope="session")
def shelf(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shelf]:
    """Find what any process of this run has saved."""
    if hasattr(request.config, "workerinput"):
        yield Shelf(Path(request.config.workerinput["shelf"]))
        return
    yield Shelf(tmp_path_factory.mktemp("shelf"))
    clear(run_id())


@pytest.fixture(scope="session")
def new_machine(
    package_caches: Caches, shelf: Shelf, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[MakeMachine]:
    """Make machines; they are destroyed after the last test.

    One with `images` has those of the deployed Debian 13 as soon as it has a Docker, if there is one by then: its own
    deploy does all but make them again.
    """
    with ExitStack() as destroyed:

        def make(
            name: str, suite: str, *, pip_configured: bool = False, images: bool = False, origin: Saved | None = None
        ) -> Machine:
            machine = Machine(name, suite, tmp_path_factory.mktemp(name) / "machine")
            machine.images = shelf.find("trixie") if images else None
            machine.origin = origin
            destroyed.callback(machine.destroy)
            with noted(STARTS if origin is None else COPIES):
                machine.start(package_caches, pip_configured=pip_configured)
            ALIVE.append(machine)
            return machine

        yield make


def timed(host: Host, env: dict[str, str] | None = None) -> None:
    """Deploy to a host for the first time, and note how long it takes, and what comes of it."""
    start = time.monotonic()
    try:
        with noted(FIRST_DEPLOYS):
            host.first_deploy = host.deploy(env=env)
    finally:
        SECONDS[f"first deploy to {host.name}"] = time.monotonic() - start
    host.release = host.run(CURRENT).stdout


def deployed(
    new_machine: MakeMachine, shelf: Shelf, suite: str, env: dict[str, str] | None = None, **options: bool
) -> Machine:
    """Return a machine with the stack on it: the first process that asks deploys, and others copy what it has saved.

    A copy wakes up as after a loss of power, and its stack comes back by itself.
    """
    with shelf.alone_with(suite):
        saved = shelf.find(suite)
        if saved is None:
            machine = new_machine(suite, suite, **options)
            timed(machine, env)
            with noted(SAVES):
                shelf.put(suite, machine.save())
            return machine
    machine = new_machine(suite, suite, origin=saved, **options)
    machine.first_deploy = Finished((), 0, saved.stdout, saved.stderr)
    machine.release = machine.run(CURRENT).stdout
    with noted(COPIES):
        until("every service is back and healthy", lambda: is_back(machine), limit=600)
        machine.sudo(SAME_VOLUME)
    return machine


def is_back(machine: Machine) -> bool:
    """Whether every service is healthy since the machine started, and not only as it was left before."""
    began = run(["docker", "inspect", "--format", "{{.State.StartedAt}}", machine.container]).stdout
    states = [found["State"] for found in containers(machine).values()]
    return bool(states) and all(
        state["Health"]["Status"] == "healthy" and state["StartedAt"] > began for state in states
    )


@pytest.fixture(scope="session")
def trixie(new_machine: MakeMachine, shelf: Shelf) -> Machine:
    """Debian 13 with the stack on it; the address of the package index is in its own pip configuration."""
    return deployed(new_machine, shelf, "trixie", pip_configured=True)


@pytest.fixture(scope="session")
def bookworm(new_machine: MakeMachine, shelf: Shelf, elsewhere: dict[str, str]) -> Machine:
    """Debian 12 with the stack on it; it is to use the package index of the machine one deploys from."""
    return deployed(new_machine, shelf, "bookworm", elsewhere, images=True)


@pytest.fixture(scope="session")
def elsewhere(package_caches: Caches, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return the environment of a user whose own pip is told where the package index is."""
    path = tmp_path_factory.mktemp("here") / "pip.conf"
    path.write_text(f"[global]\nindex-url = {package_caches.python}\ntrusted-host = {package_caches.address}\n")
    return {"PIP_CONFIG_FILE": str(path)}


@pytest.fixture(scope="module")
def machine(trixie: Machine) -> Iterator[Machine]:
    """Use a machine for the tests of a module; the unmodified project is on it again after them."""
    yield trixie
    trixie.as_deployed()


@pytest.fixture(scope="session")
def docker_here() -> None:
    """Use the Docker of this machine, and have no other test do so at the same time."""


@pytest.fixture(scope="session")
def localhost() -> Iterator[Localhost]:
    """Deploy to this machine itself."""
    host = Localhost()
    ALIVE.append(host)
    try:
        timed(host)
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


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """Have no stack on this machine while others are tested, which it would keep from its processors."""
    if group(item)[0] == "localhost" and (nextitem is None or group(nextitem)[0] != "localhost"):
        for host in ALIVE:
            if isinstance(host, Localhost):
                host.clear()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show, with a failure, what is wrong on the hosts of the test."""
    report = yield
    if report.failed:
        used = [value for value in getattr(item, "funcargs", {}).values() if isinstance(value, Host)]
        awake = [host for host in ALIVE if not (isinstance(host, Machine) and host.stands_still)]
        for host in {id(host): host for host in used or awake}.values():
            report.sections.append((f"on {host.name}", host.diagnosis()))
    return report


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Count the time of each test."""
    times.note(report)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Hand over what was timed in this process to the one that writes the summary."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["times"] = times.taken()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say where the time went."""
    if times.MODULES:
        terminalreporter.section("where the time went, of all processes together")
        for line in times.summary():
            terminalreporter.write_line(line)
