"""When sshd is as it should be: by what its configuration comes to."""

from collections.abc import Callable
from pathlib import Path

import pytest

from deploy.core.files import Files, digest
from deploy.ssh.facts import DROP_IN, KEYWORDS, Sshd, SshdState, is_hardened, unmet, wanted

HARDENED = {
    "passwordauthentication": "no",
    "kbdinteractiveauthentication": "no",
    "permitrootlogin": "no",
    "x11forwarding": "no",
    "allowagentforwarding": "no",
    "maxauthtries": "3",
    "logingracetime": "30",
    "clientaliveinterval": "300",
    "clientalivecountmax": "2",
    "tcpkeepalive": "no",
    "loglevel": "VERBOSE",
    "macs": "umac-128-etm@openssh.com,hmac-sha2-256-etm@openssh.com,hmac-sha2-512",
    "kexalgorithms": "curve25519-sha256,ecdh-sha2-nistp256,diffie-hellman-group16-sha512",
}


@pytest.mark.parametrize(
    ("changed", "root", "hardened"),
    [
        ({}, False, True),
        ({}, True, True),
        ({"permitrootlogin": "without-password"}, False, False),
        ({"permitrootlogin": "without-password"}, True, True),
        ({"permitrootlogin": "yes"}, True, False),
        ({"passwordauthentication": "yes"}, False, False),
        ({"kbdinteractiveauthentication": "yes"}, False, False),
        ({"x11forwarding": "yes"}, False, False),
        ({"maxauthtries": "2"}, False, True),
        ({"maxauthtries": "6"}, False, False),
        ({"logingracetime": "0"}, False, False),
        ({"macs": "hmac-sha2-256,hmac-sha1-etm@openssh.com"}, False, False),
        ({"macs": ""}, False, False),
        ({"kexalgorithms": "curve25519-sha256,diffie-hellman-group14-sha256"}, False, False),
        ({"kexalgorithms": "curve25519-sha256,diffie-hellman-group-exchange-sha256"}, False, False),
        (dict.fromkeys(HARDENED, ""), False, False),
    ],
)
def test_sshd_is_hardened_by_what_its_configuration_comes_to(
    changed: dict[str, str], *, root: bool, hardened: bool
) -> None:
    """Whichever file says so; root with a key is who deploys, or nobody."""
    assert is_hardened(wanted(root=root), SshdState(values=HARDENED | changed)) == hardened


@pytest.mark.parametrize(
    ("changed", "hardened"),
    [({"x11forwarding": "yes"}, True), ({"passwordauthentication": "yes"}, False)],
)
def test_what_is_read_before_our_file_counts_but_not_who_gets_in(changed: dict[str, str], *, hardened: bool) -> None:
    """A host whose owner says otherwise is not hardened anew by each deploy; passwords stay refused."""
    text = wanted(root=False)
    ours = {DROP_IN: digest(text)}
    assert is_hardened(text, SshdState(Files(ours), HARDENED | changed)) == hardened
    assert not is_hardened(text, SshdState(Files(ours, pending=True), HARDENED | changed))


def test_what_is_not_met_is_named() -> None:
    """With what it comes to instead."""
    state = SshdState(values=HARDENED | {"permitrootlogin": "yes", "maxauthtries": "6"})
    assert unmet(wanted(root=False), state) == {"PermitRootLogin": "yes", "MaxAuthTries": "6"}


def test_what_a_configuration_comes_to_is_read_whole(
    see: Callable[..., SshdState], machine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only what our file speaks of, and of what is said twice the first."""
    program = tmp_path / "programs/sshd"
    program.parent.mkdir()
    program.write_text(
        "#!/bin/sh\nprintf 'port 22\\nmacs a,b c\\nloglevel INFO\\nloglevel DEBUG\\nacceptenv LANG\\n'\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    assert see(Sshd) == SshdState(values={"macs": "a,b c", "loglevel": "INFO"})
    drop_in = machine / DROP_IN.lstrip("/")
    drop_in.parent.mkdir(parents=True)
    drop_in.write_text(wanted(root=False))
    assert see(Sshd).files.hold({DROP_IN: wanted(root=False)})
    assert set(KEYWORDS) == set(HARDENED)
