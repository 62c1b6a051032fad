"""What the kernel tells about its links and routes, as it happens.

Reading the details is left to whoever looks at the whole state afterwards: a
notification only says that looking is worth it.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from netemu.host.netns import Netns

_LINKS = 1 << 0
_NEIGHBOURS = 1 << 2
_IPV4_ADDRESSES = 1 << 4
_IPV4_ROUTES = 1 << 6
_GROUPS = _LINKS | _NEIGHBOURS | _IPV4_ADDRESSES | _IPV4_ROUTES

_HEADER = struct.Struct("=IHHII")
_INDEX_OFFSET = _HEADER.size + 4
"""Where ifinfomsg, ifaddrmsg and ndmsg keep the link's index."""
_ROUTE_TYPES = frozenset({24, 25})
_INDEXED_TYPES = frozenset({16, 17, 20, 21, 28, 29})
_RECEIVE_BYTES = 1 << 16


@contextmanager
def watching(
    netns: Netns, *, concerns: Callable[[int], bool], tell: Callable[[], None]
) -> Iterator[None]:
    """Call `tell` in the event loop when routes, or links that `concerns` knows, change.

    `concerns` is asked with a link's index.
    """
    loop = asyncio.get_running_loop()
    sock = netns.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, 0)
    sock.bind((0, _GROUPS))

    def read() -> None:
        if _drain(sock, concerns):
            tell()

    loop.add_reader(sock.fileno(), read)
    try:
        yield
    finally:
        loop.remove_reader(sock.fileno())
        sock.close()


def _drain(sock: socket.socket, concerns: Callable[[int], bool]) -> bool:
    """Read all there is; tell whether any of it matters."""
    matters = False
    while True:
        try:
            data = sock.recv(_RECEIVE_BYTES)
        except BlockingIOError:
            return matters
        except OSError as error:
            if error.errno != errno.ENOBUFS:
                raise
            matters = True  # Some were lost, and nobody knows which.
            continue
        matters = matters or any(_matters(data, offset, concerns) for offset in _messages(data))


def _messages(data: bytes) -> Iterator[int]:
    offset = 0
    while offset + _HEADER.size <= len(data):
        yield offset
        offset += (_HEADER.unpack_from(data, offset)[0] + 3) & ~3


def _matters(data: bytes, offset: int, concerns: Callable[[int], bool]) -> bool:
    kind = _HEADER.unpack_from(data, offset)[1]
    if kind in _ROUTE_TYPES:
        return True
    if kind not in _INDEXED_TYPES:
        return False
    return concerns(struct.unpack_from("=i", data, offset + _INDEX_OFFSET)[0])
