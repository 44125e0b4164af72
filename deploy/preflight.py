"""Refuse early: everything that is wrong with inventory, project or host, at once, with nothing changed."""

from __future__ import annotations

from collections.abc import Callable

from pyinfra import host
from pyinfra.api.exceptions import DeployError

from deploy import credentials, docker, dvc, images, lock, outbound, release, service_user, stack, storage, system, tls
from deploy.core import batch, hosts
from deploy.core.facts import answers
from deploy.core.step import deploy

PROBLEMS: tuple[Callable[[], list[str]], ...] = (
    system.problems,
    docker.problems,
    service_user.problems,
    storage.problems,
    lock.problems,
    stack.problems,
    credentials.problems,
    tls.problems,
    dvc.problems,
    release.problems,
    outbound.problems,
    images.problems,
)

# Of a host that does not answer: why, and what is wrong on the control node.
WITHOUT_HOST = (system.problems, release.problems_anywhere, outbound.problems)


@deploy("Preflight")
def check() -> None:
    """Refuse the host, with a line for each problem; change nothing."""
    _, problems = hosts.settings_and_problems()
    found = list(problems)
    batch.gather(*PROBLEMS)
    # A host that answers nothing is asked once, and not for each fact: sudo may lock out who fails too often.
    for problems_of in PROBLEMS if answers() else WITHOUT_HOST:
        try:
            found += [f"{host.name}: {problem}" for problem in problems_of()]
        except DeployError as error:  # it names the host itself
            found += [line for line in str(error).splitlines() if line not in found]
    if found:
        raise DeployError("\n".join(found))
