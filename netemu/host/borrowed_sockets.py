"""Sockets of one network namespace for a process that goes on to live in another.

A socket stays in the namespace that it was opened in. Whoever opens some before moving
keeps a way back that is only as wide as these sockets: no new ones can be had later,
so a TCP socket has to be used again and again.
"""

from __future__ import annotations

import ctypes
import os
import socket

_IP_RECVERR = 11
_EXTENDED_ERROR_BYTES = 512

_libc = ctypes.CDLL(None, use_errno=True)


def open_udp() -> socket.socket:
    """Open one that also learns what ICMP says: that nobody listens, that no way leads there."""
    opened = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    opened.setsockopt(socket.IPPROTO_IP, _IP_RECVERR, 1)
    opened.setblocking(False)
    return opened


def open_tcp() -> socket.socket:
    opened = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    opened.setblocking(False)
    return opened


def refused_datagrams(udp: socket.socket) -> list[tuple[bytes, str]]:
    """Take what ICMP said of datagrams sent: each one's beginning and whom it did not reach."""
    found: list[tuple[bytes, str]] = []
    while True:
        try:
            data, _, _, address = udp.recvmsg(
                _EXTENDED_ERROR_BYTES, _EXTENDED_ERROR_BYTES, socket.MSG_ERRQUEUE
            )
        except OSError:
            return found
        found.append((data, address[0] if address else ""))


def disconnect(tcp: socket.socket) -> None:
    """Bring a TCP socket back to what it was before `connect`, at whatever point it is."""
    nowhere = socket.AF_UNSPEC.to_bytes(2, "little").ljust(16, b"\0")  # connect(2), notes
    if _libc.connect(tcp.fileno(), nowhere, len(nowhere)) != 0:
        problem = ctypes.get_errno()
        raise OSError(problem, os.strerror(problem))
