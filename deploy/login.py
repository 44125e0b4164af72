"""Who may log in over SSH: whoever has a key, and not as root."""

from __future__ import annotations

from collections.abc import Generator

from pyinfra import host

from deploy import host_file, script
from deploy.inventory import current
from deploy.machine import Machine, look
from deploy.script import Run, is_remote
from deploy.step import deploy, operation
from deploy.trial import Trial, authenticated_by

DROP_IN = "/etc/ssh/sshd_config.d/00-flights-mlops.conf"


@deploy("SSH")
def harden() -> None:
    """Have sshd refuse passwords, and root unless it deploys, once a key has worked. Not on @local."""
    if not is_remote(host):
        return
    if current().harden_ssh:
        refuse_passwords(name="Refuse passwords and root")
    else:
        remove(name="Remove the configuration of an earlier deploy")


def is_hardened(machine: Machine, *, root: bool) -> bool:
    """Whether sshd's configuration comes to what is wanted, whichever file it is in; ``root`` deploys."""
    refused = all(machine[f"ssh.{way}authentication"] == "no" for way in ("password", "kbdinteractive"))
    # sshd -T has the older name of prohibit-password.
    roots = {"no", "without-password", "prohibit-password"} if root else {"no"}
    return refused and machine["ssh.permitrootlogin"] in roots


@operation()
def refuse_passwords() -> Generator[Run]:
    """Configure sshd where it is not as wanted; keep that if a key still opens the host."""
    machine = look()
    root = not script.needs_sudo(host)
    if is_hardened(machine, root=root) and not machine["trial"]:
        host.noop("sshd refuses them")
        return
    if (way := authenticated_by(host)) != "publickey":
        if host.state.is_executing:
            host.log(
                f"sshd is left as it is, because this deploy logged in with {way or 'no key'}: "
                "name a key (ssh_key), and deploy again to have passwords refused"
            )
        host.noop("no key has proved to work")
        return
    text = host_file.text(DROP_IN, root="prohibit-password" if root else "no")
    yield Trial("login", text=text, change="sshd's configuration", by_key=True)


@operation()
def remove() -> Generator[Run]:
    """Remove what ``refuse_passwords`` has written."""
    if not look()[f"file.{DROP_IN}"]:
        host.noop("there is none")
        return
    yield Run("login_off")
