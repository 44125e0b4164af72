"""The outcome of a run on each of its hosts, shown at its very end, also after a failure."""

from __future__ import annotations

import time

from pyinfra import logger
from pyinfra.api import BaseStateCallback, Host, State

# What is kept of a host during a run: why it failed, and what it has in the end.
REASON = "flights_mlops_reason"
FAILED_AFTER = "flights_mlops_failed_after"
RELEASE = "flights_mlops_release"
BEGAN = time.monotonic()
"""When the run began, or rather had loaded its modules."""


def note(host: Host, reason: str) -> None:
    """Keep why a host fails, for the end."""
    host.connector_data[REASON] = reason
    host.connector_data[FAILED_AFTER] = time.monotonic() - BEGAN


def note_release(host: Host, release: str, dags: str = "") -> None:
    """Keep which release a host has, and what is known of its DAGs, for the end."""
    host.connector_data[RELEASE] = [text for text in (release and f"release {release}", dags) if text]


class Watch(BaseStateCallback):
    """What pyinfra calls during a run: it disconnects at the end of each, whatever that is."""

    @staticmethod
    def host_disconnect(state: State, host: Host) -> None:
        """Show the outcomes when the last host is disconnected."""
        if not any(other.connected for other in state.activated_hosts if other is not host):
            show(state)


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
    took = f"{host.connector_data.get(FAILED_AFTER, time.monotonic() - BEGAN):.1f} s"
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
    return ", ".join([*host.connector_data.get(RELEASE, []), done, took])


def _in_short(host: Host) -> str:
    reason: str = host.connector_data.get(REASON) or "see the error above"
    first, *more = reason.splitlines()
    return first.removeprefix(f"{host.name}: ") + (f" (and {len(more)} more, see above)" if more else "")


def _name(state: State, op_hash: str) -> str:
    return f'"{next(iter(state.get_op_meta(op_hash).names))}"'
