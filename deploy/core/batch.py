"""Ask pyinfra's facts together: the facts of the coming operations in one command, instead of one each.

Before an operation runs, it and those after it are tried without being carried out. A trial ends where an operation
asks a fact that is not known yet, or yields its first command. One command asks all those facts side by side, and the
trials are repeated, because one fact may depend on another. What is known is forgotten as soon as anything changes the
host, and after a few seconds. docs/batched-facts.md says what this guarantees, and what it uses of pyinfra.

Nothing in this module knows of the project it is used in.
"""

from __future__ import annotations

import contextlib
import logging
import re
import shlex
import time
from collections.abc import Callable, Generator, Hashable, Iterable, Iterator, Mapping
from contextvars import ContextVar
from functools import partial
from typing import Any, TypeVar, cast

from paramiko import SSHException
from pyinfra import logger
from pyinfra.api import BaseStateCallback, Host, QuoteString, State, StringCommand
from pyinfra.api.arguments import CONNECTOR_ARGUMENT_KEYS
from pyinfra.api.command import PyinfraCommand
from pyinfra.api.exceptions import PyinfraError
from pyinfra.api.facts import get_fact
from pyinfra.api.output import echo
from pyinfra.connectors.util import CommandOutput, OutputLine
from pyinfra.context import ctx_host, ctx_state

FRESH = 5
"""Seconds that an answer stays known while nothing changes the host."""
LIMIT = 60
"""Seconds after which a fact in a batch counts as failed; it is then asked by itself, without this limit."""
ROUNDS = 8
"""How many levels of facts that depend on facts are asked together; deeper ones are asked one by one."""
CHUNK = 100_000
"""Bytes of facts in one batch, quoted as they are sent: the kernel takes 131,072 in one argument."""
AT_ONCE = 16
"""How many facts of a batch run side by side on the host."""

KEY = "batched_facts"
ALL = 1 << 30
NEVER = float("-inf")
TIMED_OUT = "124"
# A fact with one of these is asked by itself: it needs a connection, an input or a limit of its own.
ALONE = ("_timeout", "_get_pty", "_stdin")
# Arguments that do not change what a fact's command prints.
IRRELEVANT = ("_retries", "_retry_delay", "_retry_until", "_temp_dir")
# What may be wrong with one host and not with another: an error of pyinfra's, or a lost connection.
ERRORS = (PyinfraError, SSHException, OSError, EOFError)

# Prints a random mark, runs each argument as a command, and prints what they print in order; after each comes a line
# with the mark and the exit code. The mark is made on the host and never an argument, which other users could read.
SCRIPT = r"""limit=$1 at_once=$2 shell=$3; shift 3
mark=$(od -An -N16 -tx1 /dev/urandom); mark=${mark//[^0-9a-f]/}; echo "$mark"
bounded=(); ! command -v timeout >/dev/null || bounded=(timeout "$limit")
while (($#)); do
  fds=()
  for command in "${@:1:at_once}"; do
    exec {fd}< <("${bounded[@]}" "$shell" -c "$command" 2>/dev/null </dev/null; printf '\n%s %d\n' "$mark" $?)
    fds+=("$fd")
  done
  for fd in "${fds[@]}"; do cat <&"$fd"; exec {fd}<&-; done
  shift $(($# < at_once ? $# : at_once))
done
"""

T = TypeVar("T")
Key = tuple[str, str]
Asked = dict[Key, tuple[StringCommand | str, dict[str, Any]]]
Trial = Callable[[], object]
Prepare = Callable[[Host, PyinfraCommand], Iterable[PyinfraCommand]]

BEFORE_CHANGES: list[Prepare] = []
"""Called with the host and the first command of an operation that changes it; the commands they return run first."""
ALONG: list[Callable[[Host], object]] = []
"""Called whenever facts of coming operations are gathered; what they ask is asked along."""

# Each greenlet has its own: a host's facts may also be asked by operations of other hosts, in their greenlets.
_reading: ContextVar[bool] = ContextVar("reading", default=False)
_trial: ContextVar[Facts | None] = ContextVar("trial", default=None)
_remembering: ContextVar[tuple[Facts, list[float]] | None] = ContextVar("remembering", default=None)


class Unknown(BaseException):
    """Ends a trial: a fact is asked that is not known yet, or something would be changed."""


class Facts:
    """What is known of one host."""

    def __init__(self, state: State, host: Host) -> None:
        """Answer the facts of ``host`` from now on."""
        self.state, self.host = state, host
        self.known: dict[Key, tuple[float, list[str]]] = {}
        """When each answer came, and its lines."""
        self.failed: set[Key] = set()
        """What gave no answer in a batch, and is asked by itself until something changes."""
        self.slow: set[Key] = set()
        """What took too long in a batch, and is asked by itself from then on."""
        self.results: dict[object, tuple[float, object]] = {}
        """What ``remember`` keeps, and when the oldest answer that it was made of came."""
        self.wanted: Asked = {}
        """What trials have asked."""
        self.window = ALL
        """How many operations are tried together: after a change few, because the next may change more."""
        self.begun: int | None = None
        """Since which of its operations ``begin`` was called, and ``end`` was not."""
        connector: Any = host.connector
        self._run: Callable[..., tuple[bool, CommandOutput]] = connector.run_shell_command
        connector.run_shell_command = self.run_shell_command
        for name in ("put_file", "rsync"):
            setattr(connector, name, partial(self._change, getattr(connector, name)))
        changed: Any = host
        changed.get_fact = self.get_fact

    def get_fact(self, name_or_cls: Any, *args: Any, **kwargs: Any) -> Any:
        """Get a fact as pyinfra does; what runs meanwhile only reads."""
        if is_trial() and not self.host.connected:
            raise Unknown
        with _set(_reading, to=True):
            # A trial leaves no host out: that is for when it is the operation's turn.
            return get_fact(self.state, self.host, name_or_cls, args, kwargs, apply_failed_hosts=not is_trial())

    def run_shell_command(
        self,
        command: StringCommand | str,
        print_output: bool = False,  # noqa: FBT001, FBT002 - pyinfra's signature
        print_input: bool = False,  # noqa: FBT001, FBT002
        **arguments: Any,
    ) -> tuple[bool, CommandOutput]:
        """Run a command, or answer a fact's command from what is known."""
        run = partial(self._run, command, print_output=print_output, print_input=print_input, **arguments)
        if not _reading.get():
            return cast("tuple[bool, CommandOutput]", self._change(run))
        trial, key = _trial.get(), _key(command, arguments)
        if trial is not self:  # which would never end if it forgot what it has asked
            self.forget_the_old()
        read, lines = self.known.get(key, (NEVER, []))
        if (remembering := _remembering.get()) is not None:
            facts, came = remembering
            came.append(read if facts is self else NEVER)
        if key in self.known:
            shown = [f">>> {command}"] * print_input + lines * print_output
            for line in () if trial else shown:
                echo(f"{self.host.print_prefix}{line}", err=True)
            return True, CommandOutput([OutputLine("stdout", line) for line in lines])
        if trial is None:
            return run()
        if trial is self and key not in self.failed and _can_be_asked_with_others(arguments):
            self.wanted[key] = command, arguments
        raise Unknown

    def _change(self, change: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        if is_trial():
            raise Unknown
        self.forget()
        try:
            return change(*args, **kwargs)
        finally:
            self.forget()

    def forget(self) -> None:
        """Know nothing any more."""
        self.known, self.results, self.failed, self.window = {}, {}, set(self.slow), 1

    def forget_the_old(self) -> None:
        """Know nothing any more that was read more than ``FRESH`` seconds ago."""
        now = time.monotonic()
        self.known = {key: answer for key, answer in self.known.items() if now - answer[0] < FRESH}
        self.results = {key: result for key, result in self.results.items() if now - result[0] < FRESH}

    def remember(self, question: Hashable, ask: Callable[[], T]) -> T:
        """Return what ``ask`` makes of facts; the same again, without calling it, while their answers are known."""
        how: Mapping[str, Any] = self.host.current_op_global_arguments or {}
        key = question, _key("", {name: how.get(name) for name in CONNECTOR_ARGUMENT_KEYS})
        if not is_trial():
            self.forget_the_old()
        if key not in self.results:
            came: list[float] = []
            with _set(_remembering, to=(self, came)):
                made = ask()
            if not came or min(came) == NEVER:
                return made
            self.results[key] = min(came), made
        return cast("T", self.results[key][1])

    def attempt(self, trials: Iterable[Trial]) -> list[Trial]:
        """Run the trials; what they ask is then in ``wanted``. Return those that have ended because of that."""
        unfinished = []
        with _set(_trial, to=self):
            for trial in trials:
                with contextlib.suppress(Exception):  # it comes again when it is the operation's turn
                    try:
                        trial()
                    except Unknown:
                        unfinished.append(trial)
        return unfinished

    def gather(self, trials: Iterable[Trial]) -> None:
        """Ask what the trials ask; they are repeated until they end."""
        self.forget_the_old()
        for _ in range(ROUNDS):
            self.wanted = {}
            trials = self.attempt(trials)
            if not self.wanted:
                break
            for chunk in _chunks(self.wanted):
                self._fetch(chunk)

    def _fetch(self, asked: Asked) -> None:
        # Until the contrary is known: what is missing in the answer is asked by itself when it is needed.
        self.failed.update(asked)
        _, arguments = next(iter(asked.values()))
        commands = (QuoteString(command) for command, _ in asked.values())
        shell = QuoteString(arguments.get("_shell_executable", "sh"))
        head = ("bash", "-c", QuoteString(SCRIPT), "facts", LIMIT, AT_ONCE, shell)
        # The host ends what takes too long; this is for what it cannot end.
        timeout = LIMIT * (2 + len(asked) // AT_ONCE)
        try:
            with _set(_reading, to=True):  # pyinfra may have to write its askpass file first
                _, output = self._run(StringCommand(*head, *commands), **arguments | {"_timeout": timeout})
        except TimeoutError:
            self.slow.update(asked)
            return
        except ERRORS:
            return
        now = time.monotonic()
        for key, (code, lines) in zip(asked, _sections(output.stdout_lines), strict=False):
            if code == "0":
                self.known[key] = now, lines
                self.failed.discard(key)
            elif code == TIMED_OUT:
                self.slow.add(key)


@contextlib.contextmanager
def _set(variable: ContextVar[Any], *, to: Any) -> Iterator[None]:
    token = variable.set(to)
    try:
        yield
    finally:
        variable.reset(token)


def _key(command: StringCommand | str, arguments: dict[str, Any]) -> Key:
    """Return what an answer is known by: the command itself, and how it is run."""
    raw = command.get_raw_value() if isinstance(command, StringCommand) else command
    how = {name: value for name, value in arguments.items() if value and name not in IRRELEVANT}
    how["_shell_executable"] = arguments.get("_shell_executable", "sh")
    if isinstance(env := how.get("_env"), Mapping):  # whose hidden values all look alike
        how["_env"] = {name: StringCommand(value).get_raw_value() for name, value in env.items()}
    return raw, repr(sorted(how.items()))


def _can_be_asked_with_others(arguments: dict[str, Any]) -> bool:
    return bool(arguments.get("_shell_executable", "sh")) and not any(arguments.get(name) for name in ALONE)


def _chunks(wanted: Asked) -> Iterator[Asked]:
    """Divide into what goes into one command: run in one way, and not too long."""
    for how in dict.fromkeys(how for _, how in wanted):
        chunk: Asked = {}
        length = 0
        for key in (key for key in wanted if key[1] == how):
            size = _size(key, wanted[key][1])
            if chunk and length + size > CHUNK:
                yield chunk
                chunk, length = {}, 0
            chunk[key] = wanted[key]
            length += size
        yield chunk


def _size(key: Key, arguments: dict[str, Any]) -> int:
    """Return how long a command becomes by each shell that it goes through: the batch's, pyinfra's, that of su."""
    text, _ = key
    for _ in range(3 if arguments.get("_su_user") or arguments.get("_use_sudo_login") else 2):
        text = shlex.quote(text)
    return len(text.encode(errors="replace")) + 1


def _sections(lines: list[str]) -> Iterator[tuple[str, list[str]]]:
    """Return the exit code and the lines of each command of a batch."""
    mark, section = lines[0] if lines else "", list[str]()
    if not re.fullmatch("[0-9a-f]{32}", mark):
        return
    for line in lines[1:]:
        if not line.startswith(f"{mark} "):
            section.append(line)
            continue
        # The line break before the mark is the script's own.
        yield line.removeprefix(f"{mark} "), section[:-1] if section[-1:] == [""] else section
        section = []


class _Watched:
    """The commands of an operation that is carried out; before and after each, what is known is forgotten."""

    def __init__(self, facts: Facts, generate: Callable[[], Iterator[PyinfraCommand]]) -> None:
        self.facts, self.generate = facts, generate

    def __call__(self) -> Iterator[PyinfraCommand]:
        is_first = True
        for command in self.generate():
            if is_first:
                for prepare in BEFORE_CHANGES:
                    yield from prepare(self.facts.host, command)
                is_first = False
            self.facts.forget()
            try:
                yield command
            finally:  # pyinfra does not come back after a command that has failed
                self.facts.forget()


class _Watch(BaseStateCallback):
    """Gathers facts before an operation runs."""

    @staticmethod
    def operation_host_start(state: State, host: Host, op_hash: str) -> None:
        """Try this operation, and those after it if it asks what is not known."""
        facts, data = of(host), state.ops[host].get(op_hash)
        # Between operations in a Python function, that function may change anything: they ask facts as in pyinfra.
        if facts is None or data is None or host.executing_op_hash is not None:
            return
        if not isinstance(data.command_generator, _Watched):
            data.command_generator = _Watched(facts, data.command_generator)
        facts.forget_the_old()
        facts.wanted = {}
        facts.attempt([partial(_try, state, host, op_hash)])
        if not facts.wanted:
            return
        at = host.op_hash_order.index(op_hash)
        coming = [
            partial(_try, state, host, one)
            for one in host.op_hash_order[at : at + facts.window]
            if one in state.ops[host] and not state.ops[host][one].operation_meta.is_complete()
        ]
        facts.gather([*coming, *(partial(ask, host) for ask in ALONG)])
        facts.window = min(facts.window * 4, ALL)


def _try(state: State, host: Host, op_hash: str) -> None:
    """Run an operation up to its first command, which is not carried out."""
    generate = state.ops[host][op_hash].command_generator
    generate = generate.generate if isinstance(generate, _Watched) else generate
    with contextlib.closing(cast("Generator[PyinfraCommand]", generate())) as commands:
        next(commands, None)


class _Quiet(logging.Filter):
    """Leaves out what is logged in a trial."""

    def filter(self, record: logging.LogRecord) -> bool:  # noqa: ARG002 - logging's signature
        return not is_trial()


def of(host: Host) -> Facts | None:
    """Return what is known of a host, or None where this module is not used for it."""
    return cast("Facts | None", host.connector_data.get(KEY))


def is_trial() -> bool:
    """Whether what runs in this greenlet is only tried."""
    return _trial.get() is not None


def _context() -> tuple[State, Host]:
    """Return the run and the host in context themselves; pyinfra's names for them are stand-ins."""
    return ctx_state.get(), ctx_host.get()  # type: ignore[no-untyped-call] # pyinfra has no types here


def use() -> Facts:
    """Ask the facts of the host in context together from now on; calling it again changes nothing."""
    state, host = _context()
    if not any(isinstance(handler, _Watch) for handler in state.callback_handlers):
        state.add_callback_handler(_Watch())  # type: ignore[no-untyped-call] # pyinfra has no types here
        changed: Any = state
        check = changed.should_check_for_changes
        changed.should_check_for_changes = lambda: check() and not _postpones()
        if not any(isinstance(found, _Quiet) for found in logger.filters):
            logger.addFilter(_Quiet())
    facts = of(host) or Facts(state, host)
    host.connector_data[KEY] = facts
    return facts


def gather(*questions: Callable[[], object]) -> None:
    """Ask, for the host in context, all the facts that these functions ask; they must not change anything.

    What they ask is known from then on, as long as other facts are. In an operation, too.
    """
    facts = use()
    if not is_trial():
        facts.gather(questions)
    elif facts.attempt(questions):
        raise Unknown


def _postpones() -> bool:
    _, host = _context()
    facts = of(host)
    return facts is not None and facts.begun is not None


def begin() -> None:
    """Begin a deploy: which of its operations will change the host is found out in ``end``, of all together.

    pyinfra does so, without ``-y``, for one operation after the other.
    """
    facts = use()
    facts.begun = len(facts.host.op_hash_order)


def end() -> None:
    """End a deploy: find out which of its operations will change the host, where pyinfra wants to know.

    Raises what an operation raises, as calling it would have done.
    """
    facts = use()
    state, host, begun, facts.begun = facts.state, facts.host, facts.begun, None
    if begun is None or not state.should_check_for_changes():  # type: ignore[no-untyped-call] # pyinfra has no types here
        return
    called = [op_hash for op_hash in host.op_hash_order[begun:] if op_hash in state.ops[host]]
    facts.gather(partial(_try, state, host, op_hash) for op_hash in called)
    meta = state.get_meta_for_host(host)
    for op_hash in called:
        if state.ops[host][op_hash].operation_meta.will_change:
            meta.ops_change, meta.ops_no_change = meta.ops_change + 1, meta.ops_no_change - 1
    facts.known, facts.results = {}, {}  # what the deploy does after this is not seen here
