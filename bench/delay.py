"""More round-trip time to an address, by holding back what comes from it.

The kernel queues those packets (NFQUEUE) and asks for a verdict on each; the verdict is "accept", later. A
kernel without the delaying qdisc (`tc ... netem`) can do that too, and where this process dies, a packet that
nobody judges passes (`--queue-bypass`). Held is what comes, because TCP would send no more while what it has
sent is held on the same machine. The protocol is that of linux/netfilter/nfnetlink_queue.h.
"""

import os
import select
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from tests.e2e.command import run

NETLINK_NETFILTER, SOL_NETLINK, NETLINK_NO_ENOBUFS = 12, 270, 5
QUEUE_SUBSYSTEM, VERDICT, CONFIGURE = 3 << 8, 1, 2
REQUEST, ACCEPT, BIND, COPY_META = 1, 1, 1, 1
# Attributes of a configuration, of a packet and of a verdict. WHOLE: large packets are not cut up first.
COMMAND, PARAMETERS, LENGTH, MASK, FLAGS, WHOLE = 1, 2, 3, 4, 5, 4
PACKET_HEADER, VERDICT_HEADER = 1, 2
HEADERS = struct.calcsize("=IHHII") + struct.calcsize("!BBH")
NUMBER = os.getpid() & 0xFFFF


@contextmanager
def delay(address: str, milliseconds: int) -> Iterator[None]:
    """Add to the round-trip time to an address as long as the block lasts."""
    if not milliseconds:
        yield
        return
    rule = ["INPUT", "--source", address, "--jump", "NFQUEUE", f"--queue-num={NUMBER}", "--queue-bypass"]
    ending = threading.Event()
    with open_queue() as queue:
        holding = threading.Thread(target=hold, args=(queue, milliseconds / 1000, ending))
        holding.start()
        try:
            run(["iptables", "--wait", "--insert", *rule])
            try:
                check(address, milliseconds / 1000)
                yield
            finally:
                run(["iptables", "--wait", "--delete", *rule])
        finally:
            ending.set()
            holding.join()


def check(address: str, seconds: float) -> None:
    """Make sure that a connection to the address's sshd takes a round trip of at least so long."""
    start = time.monotonic()
    with socket.create_connection((address, 22)):
        taken = time.monotonic() - start
    if taken < seconds:
        raise RuntimeError(f"packets to {address} are not delayed: a connection took {taken * 1000:.0f} ms")


def open_queue() -> socket.socket:
    """Have the kernel ask this process about the packets of the queue."""
    queue = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER)
    queue.setsockopt(SOL_NETLINK, NETLINK_NO_ENOBUFS, 1)
    queue.bind((0, 0))
    for attributes in (
        attribute(COMMAND, struct.pack("!BBH", BIND, 0, socket.AF_INET)),
        attribute(PARAMETERS, struct.pack("!IB", 0, COPY_META)),
        attribute(LENGTH, struct.pack("!I", 100_000)),
        attribute(MASK, struct.pack("!I", WHOLE)) + attribute(FLAGS, struct.pack("!I", WHOLE)),
    ):
        queue.send(message(CONFIGURE, attributes))
    return queue


def hold(queue: socket.socket, seconds: float, ending: threading.Event) -> None:
    """Accept each packet so many seconds after it came, in order, until told to end and none is left."""
    waiting: deque[tuple[float, int]] = deque()
    while waiting or not ending.is_set():
        patience = max(0.0, waiting[0][0] - time.monotonic()) if waiting else 0.1
        if select.select([queue], [], [], patience)[0]:
            waiting.append((time.monotonic() + seconds, packet_id(queue.recv(65536))))
        while waiting and waiting[0][0] <= time.monotonic():
            header = struct.pack("!II", ACCEPT, waiting.popleft()[1])
            queue.send(message(VERDICT, attribute(VERDICT_HEADER, header)))


def attribute(kind: int, value: bytes) -> bytes:
    """Return an attribute of a message, padded to four bytes."""
    return struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)


def message(kind: int, attributes: bytes) -> bytes:
    """Return a message about the queue."""
    head = struct.pack("=IHHII", HEADERS + len(attributes), QUEUE_SUBSYSTEM | kind, REQUEST, 0, 0)
    return head + struct.pack("!BBH", socket.AF_UNSPEC, 0, NUMBER) + attributes


def packet_id(data: bytes) -> int:
    """Return the number that the kernel gave the packet it asks about."""
    at = HEADERS
    while at < len(data):
        length, kind = struct.unpack_from("=HH", data, at)
        if kind == PACKET_HEADER:
            return int(struct.unpack_from("!I", data, at + 4)[0])
        at += length + -length % 4
    raise ValueError("the kernel asks about a packet without a number")
