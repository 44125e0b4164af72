"""How the user who logs in becomes root, and why that may not work."""

from __future__ import annotations

from typing import Any

from pyinfra import config, host
from pyinfra.api import FactBase

from deploy import script


class Access(FactBase[str]):
    """How the user who logs in becomes root: ``root``, ``sudo``, ``password`` or ``none``."""

    def command(self) -> str:
        """Return a command that any user may run."""
        return (
            'if [ "$(id -u)" = 0 ]; then echo root; elif ! command -v sudo >/dev/null; then echo none; '
            "elif sudo -n bash -c : 2>/dev/null; then echo sudo; else echo password; fi"
        )


def fault() -> str:
    """Return why the host in context cannot be looked at."""
    if script.is_cut_off(host):
        return f"the connection to {host.name} was lost; run it again to go on."
    settings: Any = config  # whose attributes pyinfra sets by name
    passwords = (
        host.data.get("_sudo_password"),
        settings.SUDO_PASSWORD,
        host.connector_data.get("prompted_sudo_password"),
    )
    access = host.get_fact(Access, _sudo=False, _ignore_errors=True)
    return f"{host.name}: {reason(access, with_password=any(passwords))}"


def reason(access: str, *, with_password: bool) -> str:
    """Return why a user of this ``access`` could not run a command as root."""
    if access == "none":
        return "the user who logs in is not root and sudo is not installed; log in as root, or install sudo."
    if access == "password" and with_password:
        return (
            "sudo does not accept the password that was given, or does not allow this user; "
            "see there with sudo -v, and run it again with the right one."
        )
    if access == "password":
        return (
            "the user who logs in may not use sudo without a password; "
            "allow it (NOPASSWD), give the password with --same-sudo-password, or log in as root."
        )
    return "it could not be looked at; see what is said above."
