"""Answer HTTP as Airflow does while a command runs: answering.py ANSWERS COMMAND...

For a network namespace that is new, whose loopback device it brings up first. ANSWERS is JSON: ports, each
with paths, each with a status code and a body. Ends with the command's exit code.
"""

import fcntl
import json
import socket
import struct
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    """Gives the answer that is prepared for port and path."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer."""
        paths = json.loads(sys.argv[1])[str(self.connection.getsockname()[1])]
        status, body = paths.get(self.path, [404, '{"detail":"Not Found"}'])
        # As the stack's guard does, unless the test wants none.
        if self.headers["X-Flights-Mlops-Entry"] and self.path not in paths.get("unguarded", []):
            status = 404
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body.encode())))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_: object) -> None:
        """Say nothing."""


SIOCSIFFLAGS, IFF_UP = 0x8914, 1
with socket.socket() as device:
    fcntl.ioctl(device, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", IFF_UP))
for port in json.loads(sys.argv[1]):
    server = ThreadingHTTPServer(("127.0.0.1", int(port)), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
sys.exit(subprocess.run(sys.argv[2:], check=False).returncode)
