"""Who may log in over SSH, and how: whoever has a key, not as root, by modern algorithms."""

from __future__ import annotations

from collections.abc import Generator

from pyinfra import host
from pyinfra.api import StringCommand

from deploy.core import hosts
from deploy.core.facts import ask
from deploy.core.step import deploy, operation
from deploy.core.trial import Trial, authenticated_by, roll_back
from deploy.ssh.facts import DROP_IN, WHO_GETS_IN, Sshd, is_hardened, unmet, wanted


@deploy("SSH")
def harden() -> None:
    """Have sshd refuse passwords, weak algorithms, and root unless it deploys. Not on @local.

    Only if the deploy itself logged in with a key.
    """
    if not hosts.is_remote(host):
        return
    sudo = hosts.needs_sudo(host)
    if hosts.settings().harden_ssh:
        _harden(name="Refuse passwords and root", _sudo=sudo)
    else:
        _remove(name="Remove the configuration of an earlier deploy", _sudo=sudo)


@operation()
def _harden() -> Generator[StringCommand]:
    """Configure sshd; keep that if a second connection works with a key."""
    text = wanted(root=not hosts.needs_sudo(host))
    if is_hardened(text, ask(Sshd)):
        host.noop("already configured")
        return
    if (way := authenticated_by(host)) != "publickey":
        if host.state.is_executing:
            host.log(
                f"sshd was not changed: this deploy logged in with {way or 'no key'}; "
                "set ssh_key and deploy again to disable passwords"
            )
        host.noop("not logged in with a key")
        return

    def verify() -> str:
        found = unmet(text, ask(Sshd))
        if found.keys() & WHO_GETS_IN:
            return (
                f"/etc/ssh/sshd_config on {host.name} allows passwords or root and overrides {DROP_IN}; "
                'put "Include /etc/ssh/sshd_config.d/*.conf" on its first line, or set harden_ssh to false'
            )
        if found:
            others = ", ".join(f"{keyword} {value}" for keyword, value in found.items())
            host.log(f"Set by another file that sshd reads first: {others}")
        return ""

    yield Trial(
        "ssh/apply",
        undo="ssh/undo",
        files={DROP_IN: text},
        change="sshd's configuration",
        by_key=True,
        verify=verify,
    )


@operation()
def _remove() -> Generator[StringCommand]:
    """Remove what ``_harden`` has written; the rest of sshd's configuration counts then."""
    state = ask(Sshd)
    if not state.files.hashes:
        host.noop("not configured")
        return
    if state.files.pending:
        yield roll_back()
    yield StringCommand("rm --force", DROP_IN, "&& systemctl restart ssh.service")
