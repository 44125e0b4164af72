"""The outcome of a run on each of its hosts, shown at its very end, also after a failure."""

from __future__ import annotations

import time

from pyinfra import logger
from pyinfra.api import BaseStateCallback, Host, State

# What is kept of a host during a run: why it failed, which release it has, how long its operations took, and
# when the one that runs began.
REASON = "flights_mlops_reason"
RELEASE = "flights_mlops_release"
SPENT = "flights_mlops_spent"
BEGAN = "flights_mlops_began"


def note(host: Host, reason: str) -> None:
    """Keep why a host fails, for the end."""
    host.connector_data[REASON] = reason


def note_release(host: Host, release: str) -> None:
    """Keep which release a host has, for the end."""
    host.connector_data[RELEASE] = release


class Watch(BaseStateCallback):
    """What pyinfra calls during a run: it disconnects at the end of each, whatever that is."""

    @staticmethod
    def operation_host_start(state: State, host: Host, op_hash: str) -> None:  # noqa: ARG004 - pyinfra's signature
        """Note when an operation begins on a host."""
        host.connector_data[BEGAN] = time.monotonic()

    @staticmethod
    def operation_host_success(state: State, host: Host, op_hash: str, retry_count: int = 0) -> None:  # noqa: ARG004
        """Note how long an operation took that is done."""
        _spend(host)

    @staticmethod
    def operation_host_error(
        state: State,  # noqa: ARG004
        host: Host,
        op_hash: str,  # noqa: ARG004
        retry_count: int = 0,  # noqa: ARG004
        max_retries: int = 0,  # noqa: ARG004
    ) -> None:
        """Note how long an operation took that has failed."""
        _spend(host)

    @staticmethod
    def host_disconnect(state: State, host: Host) -> None:
        """Show the outcomes when the last host is disconnected."""
        if not any(other.connected for other in state.activated_hosts if other is not host):
            show(state)


def _spend(host: Host) -> None:
    spent: float = host.connector_data.get(SPENT, 0.0)
    host.connector_data[SPENT] = spent + time.monotonic() - host.connector_data[BEGAN]


def show_at_the_end(state: State) -> None:
    """Show the outcome of each host when this run ends."""
    if not any(isinstance(handler, Watch) for handler in state.callback_handlers):
        state.add_callback_handler(Watch())  # type: ignore[no-untyped-call] # pyinfra has no types here


def show(state: State) -> None:
    """Show the outcome of each host. Before anything is carried out, only failures are news."""
    if not state.is_executing and not state.failed_hosts:
        return
    hosts = [host for host in state.inventory if state.is_host_in_limit(host)]
    width = max(len(host.name) for host in hosts)
    logger.info("--> Hosts:")
    for host in hosts:
        logger.info(f"{host.name:{width}}  {outcome(state, host)}")


def outcome(state: State, host: Host) -> str:
    """Return the outcome of a host: what was done and how long it took, or why it was not."""
    if host not in state.activated_hosts:
        return "unreachable (see the error above)"
    made = {op_hash: data.operation_meta for op_hash, data in state.ops[host].items()}
    complete = [meta for meta in made.values() if meta.is_complete()]
    took = f"{host.connector_data.get(SPENT, 0.0):.1f} s"
    if host in state.failed_hosts:
        reason = _in_short(host)
        at = [op_hash for op_hash, meta in made.items() if meta.is_complete() and meta.did_error()]
        return f"failed after {took} at {_name(state, at[-1])}: {reason}" if at else f"refused: {reason}"
    if not state.is_executing:
        return "not started"
    if unfinished := [op_hash for op_hash, meta in made.items() if not meta.is_complete()]:
        return f"stopped before {_name(state, unfinished[0])}"
    changes = sum(meta.did_change() for meta in complete)
    done = f"{changes} of {len(complete)} operations changed" if changes else "nothing changed"
    release = host.connector_data.get(RELEASE)
    return ", ".join([*([f"release {release}"] if release else []), done, took])


def _in_short(host: Host) -> str:
    reason: str = host.connector_data.get(REASON) or "see the error above"
    first, *more = reason.splitlines()
    return first.removeprefix(f"{host.name}: ") + (f" (and {len(more)} more, see above)" if more else "")


def _name(state: State, op_hash: str) -> str:
    return f'"{next(iter(state.get_op_meta(op_hash).names))}"'
