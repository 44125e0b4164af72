"""The filter that all output of a program goes through: what tasks wrote stays text."""

import subprocess

import pytest

from deploy.core import run

FILTER = run.FILTER.read_text()


def shown(text: bytes) -> bytes:
    """Return what the filter makes of a text."""
    return subprocess.run(["perl", "-e", FILTER], input=text, capture_output=True, check=True).stdout


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("plain, with é, … and\ta tab\n".encode(), "plain, with é, … and\ta tab\n".encode()),
        (b"clear \x1b[2J\x1b]0;title\x07 it\n", b"clear ?[2J?]0;title? it\n"),
        ("C1 \x9b2J, bidi \u202e, hidden \u200b\n".encode(), b"C1 ?2J, bidi ?, hidden ?\n"),
        (b"not UTF-8: \xff\xc3(\n", b"not UTF-8: ??(\n"),
        (b"over\rwritten\r\n", b"over?written\n"),
        (b"no end", b"no end\n"),
        (b"", b""),
        # What pyinfra takes for sudo's question for a password, a task may have printed.
        (b"sudo: a password is required\n", b"sudo : a password is required\n"),
        (b"sudo-rs: interactive authentication is required\n", b"sudo-rs : interactive authentication is required\n"),
        (b"\n\n", b"\n\n"),
        (b"x" * 20000, b"x" * 8192 + b"\n" + b"x" * 8192 + b"\n" + b"x" * 3616 + b"\n"),
    ],
)
def test_it_stays_text(given: bytes, expected: bytes) -> None:
    """Without control codes, in UTF-8, in lines of bounded length."""
    assert shown(given) == expected


def test_a_line_is_passed_on_as_it_comes() -> None:
    """A build of minutes shows that it goes on."""
    with subprocess.Popen(["perl", "-e", FILTER], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as filtering:
        assert filtering.stdin
        assert filtering.stdout
        filtering.stdin.write(b"first\nsec")
        filtering.stdin.flush()
        assert filtering.stdout.readline() == b"first\n"
        filtering.stdin.close()
        assert filtering.stdout.read() == b"sec\n"


@pytest.mark.parametrize("code", [0, 3])
def test_the_exit_code_is_the_programs(code: int) -> None:
    """Whatever the filter does."""
    words = [run.FILTERED, FILTER, f"echo one >&2; exit {code}", "name"]
    done = subprocess.run(["bash", "-c", *words], capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (code, b"one\n", b"")
