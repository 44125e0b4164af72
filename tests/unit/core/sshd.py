"""A real sshd on a free port of this machine, with users of its own who may use sudo, with a password or without."""

import os
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
# Many connections at once, and many commands on each. No PAM: that of the machine may want what a test has not.
CONFIG = """\
ListenAddress 127.0.0.1:{port}
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/key.pub
PidFile {folder}/pid
UsePAM no
StrictModes no
MaxStartups 100
MaxSessions 100
Subsystem sftp internal-sftp
"""


@dataclass(frozen=True)
class Server:
    """An sshd that runs, and how to log in."""

    folder: Path
    port: int
    free: str
    """A user who needs no password for sudo."""
    asked: str
    """A user who needs one."""
    password: str
    """It."""

    def host(self, user: str, **data: Any) -> dict[str, Any]:
        """Return the inventory data of a host that is this machine, as that user."""
        return {
            "ssh_hostname": "127.0.0.1",
            "ssh_port": self.port,
            "ssh_user": user,
            "ssh_key": str(self.folder / "key"),
            "ssh_known_hosts_file": str(self.folder / "known_hosts"),
            "home": f"/home/{user}",
            **data,
        }


def as_root(*command: str, text: str = "") -> None:
    """Run a command as root."""
    prefix = [] if os.geteuid() == 0 else ["sudo", "-n"]
    subprocess.run([*prefix, *command], input=text, text=True, check=True, capture_output=True, env={"PATH": PATH})


def program(name: str, package: str) -> str:
    """Return where a program is; it is an error if it is missing, because then nothing would be tested."""
    found = shutil.which(name, path=PATH)
    assert found, f"{name} is missing: apt-get install {package}"
    return found


@contextmanager
def user(name: str, rule: str, password: str) -> Iterator[None]:
    """Have a user with that rule of sudo."""
    as_root("useradd", "--create-home", "--shell", "/bin/bash", name)
    try:
        as_root("chmod", "755", f"/home/{name}")  # whoever runs the tests looks into it
        as_root("chpasswd", text=f"{name}:{password}\n")
        as_root("tee", f"/etc/sudoers.d/{name}", text=f"{name} ALL=(ALL:ALL) {rule}\n")
        as_root("chmod", "440", f"/etc/sudoers.d/{name}")
        yield
    finally:
        as_root("rm", "--force", f"/etc/sudoers.d/{name}")
        # Processes of the user may take a moment to end.
        as_root("userdel", "--force", "--remove", name)


@contextmanager
def serve() -> Iterator[Server]:
    """Run the server."""
    sshd = program("sshd", "openssh-server")
    program("sudo", "sudo")
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    token, password = secrets.token_hex(4), secrets.token_hex(8)
    free, asked = f"free-{token}", f"asked-{token}"
    with (
        tempfile.TemporaryDirectory() as folder,
        user(free, "NOPASSWD: ALL", password),
        user(asked, "ALL", password),
    ):
        server = Server(Path(folder), port, free, asked, password)
        server.folder.chmod(0o755)
        for name in ("host_key", "key"):
            command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", server.folder / name]
            subprocess.run(command, check=True)
        kind, key, _ = (server.folder / "host_key.pub").read_text().split()
        (server.folder / "known_hosts").write_text(f"[127.0.0.1]:{port} {kind} {key}\n")
        (server.folder / "sshd.conf").write_text(CONFIG.format(port=port, folder=folder))
        as_root("mkdir", "--parents", "--mode=755", "/run/sshd")
        prefix = [] if os.geteuid() == 0 else ["sudo", "-n"]
        process = subprocess.Popen([*prefix, sshd, "-D", "-e", "-f", server.folder / "sshd.conf"])
        try:
            _wait_for(port, process)
            yield server
        finally:
            if process.poll() is None:
                as_root("kill", (server.folder / "pid").read_text().strip())
                process.wait()


def _wait_for(port: int, process: "subprocess.Popen[bytes]") -> None:
    until = time.monotonic() + 20
    while True:
        assert process.poll() is None, "sshd has ended"
        assert time.monotonic() < until, "sshd does not answer"
        try:
            socket.create_connection(("127.0.0.1", port), timeout=5).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
