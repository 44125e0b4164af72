"""Deploys that the tests of batched facts run: the data of each host names the one it gets.

What is seen of the hosts, and each command that runs on them, is noted in files of the folder that pyinfra runs in.
"""

import getpass
import json
import os
import pwd
import shlex
import subprocess
import time
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

from pyinfra import host, inventory, logger
from pyinfra.api import FactBase, HiddenValue, Host, QuoteString, StringCommand, deploy, operation
from pyinfra.api.command import PyinfraCommand
from pyinfra.api.exceptions import FactProcessError
from pyinfra.context import ctx_host
from pyinfra.operations import files, python, server

from deploy.core import batch

PLAIN = bool(os.environ.get("PLAIN"))
"""Whether the layer is left out."""
Commands = Iterator[StringCommand | str]


def note(file: str, **values: object) -> None:
    """Add a line to a file."""
    with Path(file).open("a") as lines:
        lines.write(json.dumps({"host": ctx_host.get().name, **values}) + "\n")


def count(of: Any) -> None:
    """Note each command that runs on a host: how many facts a batch asks, or the command itself."""
    run = of.connector.run_shell_command
    head = shlex.join(["bash", "-c", batch.SCRIPT])

    def counted(command: StringCommand | str, *more: Any, **arguments: Any) -> Any:
        raw = command.get_raw_value() if isinstance(command, StringCommand) else command
        what = {"facts": len(shlex.split(raw)) - 7} if raw.startswith(head) else {"command": raw}
        with Path("trips").open("a") as lines:
            lines.write(json.dumps({"host": of.name, **what}) + "\n")
        return run(command, *more, **arguments)

    of.connector.run_shell_command = counted


def run() -> None:
    """Run what the host's data says."""
    for name in ("FRESH", "LIMIT"):
        setattr(batch, name, float(os.environ.get(name, getattr(batch, name))))
    count(ctx_host.get())
    if not PLAIN:
        batch.use()
    globals()[host.data.scenario]()


class Content(FactBase[str]):
    """What is in a file; nothing where there is none."""

    default = str

    def command(self, path: str) -> StringCommand:
        """Return the command."""
        return StringCommand("cat", QuoteString(path), "2>/dev/null || true")


class Line(FactBase[str]):
    """What a command prints."""

    default = str

    def command(self, line: str) -> str:
        """Return the command."""
        return line


class Strict(FactBase[str]):
    """What a command prints, which must not be a refusal."""

    default = str

    def command(self, line: str) -> str:
        """Return the command."""
        return line

    def process(self, output: list[str]) -> str:
        """Return the first line."""
        if output == ["refusal"]:
            message = "refused"
            raise FactProcessError(message)
        return output[0]


class Lines(FactBase[list[str]]):
    """What a command prints, line by line."""

    default = list

    def command(self, line: str) -> str:
        """Return the command."""
        return line

    def process(self, output: list[str]) -> list[str]:
        """Return it."""
        return output


def saw(expected: object, found: object, where: str = "") -> None:
    """Note what an operation sees, if it is carried out."""
    if host.state.is_executing and not batch.is_trial():
        note("saw", expected=expected, found=found, where=where)


@operation()
def see(*, path: str, expected: str) -> Commands:
    """See what is in a file."""
    saw(expected, host.get_fact(Content, path=path))
    yield from ()


@operation()
def read(*, line: str, expected: object, fact: Any = Line, how: dict[str, Any] | None = None) -> Commands:
    """See what a command prints."""
    saw(expected, host.get_fact(fact, line=line, **how or {}), line[:60])
    yield from ()


def look(expected: str) -> None:
    """See what is in the file, and then ask about another one, so that facts of operations to come are gathered."""
    see(path=f"{host.data.home}/x", expected=expected)
    see(path=f"{host.data.home}/none", expected="")


def outside(text: str) -> None:
    """Change the host in a way that pyinfra does not see: this machine is the host."""
    subprocess.run(["tee", f"{host.data.home}/x"], input=f"{text}\n", text=True, check=True, stdout=subprocess.DEVNULL)


def changes() -> None:
    """Change a file in every way there is; all that comes after sees it."""
    path = f"{host.data.home}/x"
    see(path=path, expected="")
    server.shell(commands=[f"echo one >{path}; chmod 666 {path}"])
    look("one")
    read(line=f"cat {path} && echo there", expected="one\nthere")  # which fails before there is a file
    files.put(src=StringIO("two\n"), dest=path)
    look("two")
    python.call(function=lambda: host.run_shell_command(StringCommand(f"echo three >{path}")))
    look("three")
    python.call(function=outside, text="four")
    look("four")

    def nested() -> None:
        see(path=path, expected="four")
        server.shell(commands=[f"echo five >{path}"])
        see(path=path, expected="five")
        outside("six")
        see(path=path, expected="six")
        server.shell(commands=[f"echo seven >{path}"], _sudo=True)

    python.call(function=nested)
    look("seven")
    changed = files.file(path=path, mode="640")
    same = files.file(path=path, mode="640")
    read(line=f"stat -c %a {path}", expected="640", _if=changed.did_change)
    read(line=f"stat -c %a {path}", expected="never", _if=same.did_change)
    see(path=path, expected="seven", _if=same.did_not_change)
    server.shell(commands=[f"echo eight >{path}; false"], _ignore_errors=True)
    look("eight")

    def failing() -> None:
        batch.gather(lambda: host.get_fact(Content, path=path))
        outside("nine")
        message = "after the change"
        raise RuntimeError(message)

    server.shell(commands=[f"chmod 666 {path}"])
    python.call(function=failing, _ignore_errors=True)
    look("nine")
    line = f"test -e {path}.ready && echo ready || echo refusal"
    server.shell(commands=[f"touch {path}.ready"])
    read(line=line, expected="ready", fact=Strict)  # refused before, and then this host would be out
    files.put(src=StringIO("ten\n"), dest=path, _sudo=True)
    see(path=path, expected="ten", _sudo=True)
    look("ten")


def identities() -> None:
    """Ask as root, as another user, and as the user who logs in."""
    for _ in range(2):
        who(host.data.ssh_user)
        who("root", _sudo=True)
        who("daemon", _sudo=True, _sudo_user="daemon")


def who(expected: str, **how: Any) -> None:
    """See who runs commands: those of an operation, and those of a fact that says so itself."""
    read(line="id -un", expected=expected, **how)
    read(line="id -un #", expected=expected, how={"_sudo": False, **how})


def flat() -> None:
    """Ask facts that do not depend on each other."""
    for number in range(30):
        read(line=f"echo {number}", expected=str(number))


@operation()
def follow(*, number: int) -> Commands:
    """Ask a fact that depends on another."""
    first = host.get_fact(Line, line=f"echo {number}")
    saw(f"{number}-{number}", host.get_fact(Line, line=f"echo {first}-{number}"))
    yield from ()


def deep() -> None:
    """Ask facts of two levels."""
    for number in range(10):
        follow(number=number)


@operation()
def several() -> Commands:
    """Ask what is needed all at once."""
    lines = [f"echo {number}" for number in range(5)]
    batch.gather(*(lambda line=line: host.get_fact(Line, line=line) for line in lines))
    saw(["0", "1", "2", "3", "4"], [host.get_fact(Line, line=line) for line in lines])
    yield from ()


def together() -> None:
    """Ask in an operation, and before there is one."""
    lines = ["echo before", "echo it"]
    batch.gather(*(lambda line=line: host.get_fact(Line, line=line) for line in lines))
    note("saw", expected=["before", "it"], found=[host.get_fact(Line, line=line) for line in lines])
    count_lines = "wc -l <changed || true"
    batch.gather(lambda: host.get_fact(Line, line=count_lines))
    host.run_shell_command(StringCommand("echo >>changed"))
    note("saw", expected="1", found=host.get_fact(Line, line=count_lines))
    several()
    read(line="echo after", expected="after")


def large() -> None:
    """Ask more than goes into one command: long facts, and short ones that become long by quoting."""
    for number in range(40):
        text = f"{number:04}" + "x" * 3990 + "it's a"
        read(line=StringCommand("printf %s", QuoteString(text), "| wc -c").get_raw_value(), expected="4000")
    for number in range(6):
        text = f"{number:04}" + "'" * 800
        read(line=StringCommand("printf %s", QuoteString(text), "| wc -c").get_raw_value(), expected="804")


@operation()
def recall(*, path: str, expected: str) -> Commands:
    """See who asks, and what is in a file, by something that is made of facts and takes its time."""
    line = f"id -un; cat {path} 2>/dev/null || true"

    def made() -> str:
        if host.state.is_executing and not batch.is_trial():
            note("made")
        return host.get_fact(Line, line=line)

    saw(expected, batch.use().remember("who and what", made))
    yield from ()


def remembered() -> None:
    """Use what is made of facts in several operations."""
    user, path = host.data.ssh_user, f"{host.data.home}/recalled"
    for text in ("", "\nchanged"):
        for _ in range(3):
            recall(path=path, expected=user + text)
        recall(path=path, expected="root" + text, _sudo=True)
        server.shell(commands=[f"echo changed >{path}"])


FORGE = r"""for arguments in /proc/[0-9]*/cmdline; do tr '\0' ' ' <"$arguments"; done 2>/dev/null |
  grep -oE '[0-9a-f]{32}' | sort -u | while read -r mark; do printf '%s 0\nforged\n\n%s 0\n' "$mark" "$mark"; done
printf '\nfacts 0\nforged\n 0\n00000000000000000000000000000000 0\n'"""


def forged() -> None:
    """Print what may be taken for the end of one answer, and another one."""
    tail = ["", "facts 0", "forged", " 0", "0" * 32 + " 0"]
    for number in range(3):
        read(line=f"echo first {number}", expected=f"first {number}")
        read(line=f"{FORGE} #{number}", expected=tail, fact=Lines)
        read(line=f"echo last {number}", expected=f"last {number}")


def ways() -> None:
    """Ask the same in several ways, whose answers differ."""
    line = 'if [ -n "$BASH_VERSION" ] && shopt -q sourcepath; then echo bash; else echo sh; fi'
    for _ in range(2):
        read(line=line, expected="sh")
        read(line=line, expected="bash", _shell_executable="bash")
        read(line='echo "$SECRET"', expected="a", _env={"SECRET": HiddenValue("a")})
        read(line='echo "$SECRET"', expected="b", _env={"SECRET": HiddenValue("b")})
        read(line="pwd", expected="/", _chdir="/")
        read(line="pwd", expected=host.data.home)
        read(line="echo one; exit 3", expected="one", how={"_success_exit_codes": [3]})
        read(line="echo again", expected="again", _retries=2)


def hooks() -> None:
    """Have something run before the first change of an operation, and something be asked along."""

    def first(of: Host, command: PyinfraCommand) -> list[PyinfraCommand]:
        return [StringCommand(f"echo 'before {command}' >>log")] if of.name == "hooks" else []

    batch.BEFORE_CHANGES.append(first)
    batch.ALONG.append(lambda of: of.name == "hooks" and of.get_fact(Line, line="echo along"))
    read(line="echo one", expected="one")
    server.shell(commands=["echo two >>log", "echo three >>log"])
    read(line="cat log", expected="before echo two >>log\ntwo\nthree")


def limits() -> None:
    """Ask what hangs."""
    once = "if test -e once; then echo answered; else touch once; sleep 30; fi"
    read(line="echo before", expected="before")
    read(line=once, expected="answered")
    read(line="sleep 30", expected="", how={"_timeout": 1, "_ignore_errors": True})
    read(line="echo after", expected="after")
    server.shell(commands=["true"])
    read(line="echo again", expected="again")
    read(line=once, expected="answered")
    read(line="echo last", expected="last")


def held() -> None:
    """Ask what answers, but whose output is held open by a process that no limit on the host ends."""
    line = "if test -e held; then echo answered; else touch held; setsid sleep 9 & fi"
    read(line="echo before", expected="before")
    read(line=line, expected="answered")


@operation()
def slowly(*, number: int) -> Commands:
    """Ask facts of this host and of another one, with pauses in which other hosts go on."""
    mine, first = ctx_host.get().name, inventory.get_host("host-0")
    time.sleep(0.002 * number)
    found = host.get_fact(Line, line=f"echo {mine} {number}")
    time.sleep(0.002)
    saw(f"{mine} {number} again", host.get_fact(Line, line=f"echo {found} again"))
    if number == 4 and mine in {"host-1", "host-2", "host-3"}:
        saw(f"host-0 for {mine}", first.get_fact(Line, line=f"echo host-0 for {mine}"))
    yield from ()


def fleet() -> None:
    """Ask on many hosts at once."""
    for number in range(5):
        slowly(number=number)


@operation()
def wait(*, path: str, until: str) -> Commands:
    """Wait until something else has changed a file: here it does so itself."""
    found = host.get_fact(Content, path=path)
    if host.state.is_executing and not batch.is_trial():
        outside(until)
        patience = time.monotonic() + 20
        while found != until and time.monotonic() < patience:
            time.sleep(0.1)
            found = host.get_fact(Content, path=path)
    saw(until, found)
    yield from ()


def question() -> None:
    """Ask before the question whether to go on, and after it; then wait for what somebody else does."""
    path = f"{host.data.home}/x"
    batch.begin()
    see(path=path, expected="changed meanwhile", _sudo=True)
    recall(path=path, expected="root\nchanged meanwhile", _sudo=True)
    wait(path=path, until="changed later", _sudo=True)
    see(path=path, expected="changed later", _sudo=True)
    recall(path=path, expected="root\nchanged later", _sudo=True)
    batch.end()


@operation()
def speak(*, change: bool) -> Commands:
    """Say something, and change something or nothing."""
    found = host.get_fact(Line, line="echo said")
    host.log(f"logged {found}")
    logger.warning("warned %s", found)
    if change:
        yield "true"
    else:
        host.noop(f"noop {found}")


# Outputs that end in all the ways there are.
OUTPUTS = ["", "\\n", "a", "a\\n", "a\\n\\n", "\\n\\na", " a \\n b", "a\\r\\n", "ä\\n", "a\\0b\\n"]


@deploy("Inner", data_defaults={"depth": "inner"})
def inner() -> None:
    """Use the data of a deploy in an operation."""
    read(name="Read the data", line=f"echo {host.data.depth}", expected="inner")
    files.line(name="Have a line", path="lines", line="inner")


def plan() -> None:
    """Do what a deploy does, to be compared with pyinfra alone."""
    if not PLAIN:
        batch.begin()
    server.shell(name="Once", commands=["true"], _run_once=True)
    for output in OUTPUTS:
        read(name="Read an output", line=f"printf '{output}'", expected=None, fact=Lines)
    speak(name="Speak and change", change=True)
    speak(name="Speak", change=False)
    written = files.put(name="Write", src=StringIO("text\n"), dest="written")
    files.file(name="Make it private", path="written", mode="600", _if=written.did_change)
    files.directory(name="Have a directory", path="directory")
    files.link(name="Have a link", path="link", target="written")
    read(name="Read what fails", line="echo said >&2; false", expected="", _ignore_errors=True)
    if written.will_change:
        server.shell(name="Only if it is not there", commands=["true"])
    inner()
    server.user(name="Have a user", user=getpass.getuser(), shell=pwd.getpwnam(getpass.getuser()).pw_shell)
    python.call(name="Disconnect", function=ctx_host.get().disconnect)
    read(name="Connect again", line="echo again", expected="again")
    if not PLAIN:
        batch.end()
    files.directory(name="Have another directory", path="other")
    meta = host.state.get_meta_for_host(ctx_host.get())
    note("saw", expected=None, found=[meta.ops, meta.ops_change, meta.ops_no_change])


def broken() -> None:
    """Ask what fails, and is not ignored."""
    read(name="Read", line="echo one", expected="one")
    read(name="Read what fails", line="echo said >&2; false", expected="")
    read(name="Read again", line="echo two", expected="two")


def refused() -> None:
    """Ask what is answered, but not as it should be."""
    read(name="Read", line="echo one", expected="one")
    read(name="Read a refusal", line="echo refusal", expected="", fact=Strict)
    read(name="Read again", line="echo two", expected="two")
