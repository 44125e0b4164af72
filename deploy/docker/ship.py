"""Ships images from the control node to a host's engine, over the open SSH connection."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

from pyinfra.api import FactBase, StringCommand
from pyinfra.api.output import echo
from pyinfra.connectors.ssh import SSHConnector
from pyinfra.connectors.util import (
    CommandOutput,
    extract_control_arguments,
    make_unix_command_for_host,
    read_output_buffers,
)

from deploy.core import sudo, summary
from deploy.core.hosts import needs_sudo
from deploy.core.run import Run
from deploy.docker import local
from deploy.docker.archive import common, pack

if TYPE_CHECKING:
    from pyinfra.api import Host, State

CHUNK = 1 << 18
# Seconds between two lines that say how far it is.
EVERY = 5


class Layers(FactBase[tuple[bool, list[list[str]]]]):
    """Whether the host has zstd, and the layers of each image of its engine, the lowest first."""

    def command(self) -> str:
        """Return the command. An engine with containerd's store needs every layer: it is told of none."""
        return (
            "command -v zstd || echo none; "
            "docker info --format '{{.DriverStatus}}' | grep --quiet containerd || "
            "docker images --all --quiet | sort --unique | "
            "xargs --no-run-if-empty docker image inspect --format '{{json .RootFS.Layers}}'"
        )

    @staticmethod
    def default() -> tuple[bool, list[list[str]]]:
        """Return what is sure of any host."""
        return False, []

    def process(self, output: list[str]) -> tuple[bool, list[list[str]]]:
        """Read the command's output."""
        return output[0] != "none", [json.loads(line) or [] for line in output[1:]]


class Ship(Run):
    """Ship an image of the control node: the layers that the host lacks are streamed into its engine."""

    def __init__(self, image: str, provide: Callable[[Callable[[str], None]], str]) -> None:
        """Prepare. ``provide`` makes the image available here and returns its name; it gets a function that prints."""
        self.image, self.provide = image, provide
        super().__init__("docker/load_image", image=image)

    def execute(self, state: State, host: Host, connector_arguments: Any) -> tuple[bool, CommandOutput]:
        """Make the image available here, find out what the host lacks, and send that."""

        def say(line: str) -> None:
            echo(f"{host.print_prefix}{line}", err=True)

        try:
            name = self.provide(say)
            wanted = local.layers(name)
            zstd, images = host.get_fact(Layers, _sudo=needs_sudo(host))
            known = common(json.loads(wanted), images)
            packer = "zstd" if zstd and shutil.which("zstd") else "gzip"
            self.file = pack(name, known, packer)
        except ValueError as error:
            say(f"error: {error}")
            summary.note(host, str(error))
            return False, CommandOutput([])
        count = len(json.loads(wanted))
        size = megabytes(self.file.stat().st_size)
        say(f"Sending {self.image}: {size} MB, {count - known} of its {count} layers")
        self.values = {"sent": name, "image": self.image, "layers": wanted, "packer": packer}
        return super().execute(state, host, connector_arguments)

    def run_on(self, host: Host, text: StringCommand, arguments: Any) -> tuple[bool, list[str]]:
        """Run the program with the file as standard input, which pyinfra would want whole and as text."""
        connector = host.connector
        assert isinstance(connector, SSHConnector) and connector.client is not None  # noqa: S101, PT018 - else none is shipped
        extract_control_arguments(arguments)
        password = sudo.password(host, arguments)
        command = make_unix_command_for_host(host.state, host, text, **arguments)
        stdin, stdout, stderr = connector.client.exec_command(command.get_raw_value())
        lines: list[str] = []

        def read() -> None:
            output = read_output_buffers(stdout, stderr, None, True, host.print_prefix)  # noqa: FBT003 - as it is declared
            lines.extend(output.output_lines)

        reader = Thread(target=read)
        reader.start()
        try:
            if password:
                stdin.channel.sendall(f"{password}\n".encode())
            send(self.file, stdin.channel.sendall, lambda line: echo(f"{host.print_prefix}{line}", err=True))
            stdin.channel.shutdown_write()
        except (OSError, EOFError):
            pass  # it has ended, or the connection: why, is in what it says, or said by who called
        reader.join()
        return stdout.channel.recv_exit_status() == 0, lines


def send(file: Path, to: Callable[[bytes], object], say: Callable[[str], None]) -> None:
    """Send a file piece by piece, and say from time to time how far that is."""
    whole, sent, said = file.stat().st_size, 0, time.monotonic()
    with file.open("rb") as source:
        while piece := source.read(CHUNK):
            to(piece)
            sent += len(piece)
            if sent == whole or time.monotonic() - said > EVERY:
                say(f"Sent {megabytes(sent)} of {megabytes(whole)} MB")
                said = time.monotonic()


def megabytes(size: int) -> str:
    """Return a size in megabytes, to one digit where that is less than ten."""
    number = size / 1e6
    return f"{number:.0f}" if number >= 10 else f"{number:.1f}"  # noqa: PLR2004 - said in words above
