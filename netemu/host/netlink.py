"""One namespace's routing socket (rtnetlink(7)): many requests, one system call.

The kernel works through all messages of one datagram and answers each that fails;
the last one asks for an acknowledgement in any case, which tells that all are done.
A batch costs one crossing, and a request in it about what the kernel needs for it.

How the messages look is in messages.py, what they ask for in links.py and routes.py.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import socket
import struct
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from netemu.errors import HostBusyError, HostError

if TYPE_CHECKING:
    from netemu.host.netns import Netns

NLM_F_REQUEST = 0x001
NLM_F_ACK = 0x004
NLM_F_DUMP = 0x300
NLM_F_REPLACE = 0x100
NLM_F_EXCL = 0x200
NLM_F_CREATE = 0x400

_NLM_F_ACK_TLVS = 0x200
_NLMSG_ERROR = 2
_NLMSG_DONE = 3
_NLMSGERR_ATTR_MSG = 1
_SOL_NETLINK = 270
_NETLINK_CAP_ACK = 10
_NETLINK_EXT_ACK = 11
_NETLINK_GET_STRICT_CHK = 12
_SIOCGIFNAME = 0x8910
_SIOCGIFINDEX = 0x8933
_HEADER = struct.Struct("=IHHII")
_BATCH = 100
"""Answers pile up in the socket while a batch is worked through."""
_RECEIVE_BYTES = 1 << 17

GONE = frozenset({errno.ENOENT, errno.ESRCH, errno.ENODEV, errno.EADDRNOTAVAIL})
"""What the kernel answers when that which is to be deleted is not there."""


@dataclass(frozen=True, slots=True)
class Request:
    """One encoded message, but for its sequence number; what it does, in words."""

    doing: str
    data: bytes
    forgiven: frozenset[int] = frozenset()
    """Errors that mean that all is well: what is to be deleted is gone."""


def request(
    doing: str, type: int, message: Any, *, flags: int, forgiven: frozenset[int] = frozenset()
) -> Request:
    """Encode a pyroute2 message."""
    header = message["header"]
    header["type"] = type
    header["flags"] = NLM_F_REQUEST | flags
    message.encode()
    return Request(doing, bytes(message.data), forgiven)


class Netlink:
    """A routing socket in one namespace. Any thread may use it; they take turns."""

    def __init__(self, sock: socket.socket, *, name: str) -> None:
        sock.bind((0, 0))
        sock.setsockopt(_SOL_NETLINK, _NETLINK_EXT_ACK, 1)
        sock.setsockopt(_SOL_NETLINK, _NETLINK_CAP_ACK, 1)
        with contextlib.suppress(OSError):  # Before Linux 4.20: dumps are filtered by us alone.
            sock.setsockopt(_SOL_NETLINK, _NETLINK_GET_STRICT_CHK, 1)
        self.name = name
        self._socket = sock
        self._lock = threading.Lock()
        self._sequence = 0

    @classmethod
    def open(cls, netns: Netns) -> Netlink:
        sock = netns.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)
        return cls(sock, name=netns.name)

    @classmethod
    def here(cls, *, name: str) -> Netlink:
        """Open one in the calling thread's namespace."""
        return cls(socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0), name=name)

    def close(self) -> None:
        self._socket.close()

    def index_of(self, link: str) -> int:
        """Return the index of a link; 0 if there is none of that name."""
        asked = link.encode().ljust(40, b"\0")
        try:
            answer = fcntl.ioctl(self._socket, _SIOCGIFINDEX, asked)
        except OSError as error:
            if error.errno == errno.ENODEV:
                return 0
            raise
        return int(struct.unpack_from("=i", answer, 16)[0])

    def name_of(self, index: int) -> str:
        """Return the name of a link; empty if there is none of that index."""
        asked = b"\0" * 16 + struct.pack("=i", index) + b"\0" * 20
        try:
            answer = fcntl.ioctl(self._socket, _SIOCGIFNAME, asked)
        except OSError as error:
            if error.errno == errno.ENODEV:
                return ""
            raise
        return answer[:16].rstrip(b"\0").decode()

    def send(self, requests: Sequence[Request]) -> None:
        """Carry out the requests in order. HostError for the first that failed, after all."""
        with self._lock:
            for start in range(0, len(requests), _BATCH):
                self._send_batch(requests[start : start + _BATCH])

    def dump(self, asked: Request) -> Iterator[bytes]:
        """Yield each message of the answer, header and all."""
        with self._lock:
            self._sequence += 1
            self._socket.send(_numbered(asked.data, self._sequence, 0))
            answers = list(self._answers(asked, self._sequence))
        yield from answers

    def _send_batch(self, batch: Sequence[Request]) -> None:
        first = self._sequence + 1
        self._sequence += len(batch)
        last = len(batch) - 1
        messages = (
            _numbered(one.data, first + place, NLM_F_ACK if place == last else 0)
            for place, one in enumerate(batch)
        )
        self._socket.send(b"".join(messages))
        failure: HostError | None = None
        done = False
        while not done:
            for sequence, kind, answer in self._receive():
                if kind != _NLMSG_ERROR or not first <= sequence <= self._sequence:
                    continue  # Left over from a request that was given up.
                place = sequence - first
                problem = _failure(batch[place], answer, self.name)
                failure = failure or problem
                done = done or place == last
        if failure:
            raise failure

    def _answers(self, asked: Request, sequence: int) -> Iterator[bytes]:
        while True:
            for number, kind, answer in self._receive():
                if number != sequence:
                    continue
                if kind == _NLMSG_DONE:
                    return
                if kind != _NLMSG_ERROR:
                    yield answer
                elif problem := _failure(asked, answer, self.name):
                    raise problem
                else:
                    return

    def _receive(self) -> Iterator[tuple[int, int, bytes]]:
        data = self._socket.recv(_RECEIVE_BYTES)
        offset = 0
        while offset < len(data):
            length, kind, _flags, sequence, _port = _HEADER.unpack_from(data, offset)
            yield sequence, kind, data[offset : offset + length]
            offset += (length + 3) & ~3


def _numbered(data: bytes, sequence: int, more_flags: int) -> bytes:
    length, kind, flags, _, _ = _HEADER.unpack_from(data)
    return _HEADER.pack(length, kind, flags | more_flags, sequence, 0) + data[_HEADER.size :]


def _failure(asked: Request, answer: bytes, where: str) -> HostError | None:
    problem = -struct.unpack_from("=i", answer, _HEADER.size)[0]
    if problem == 0 or problem in asked.forgiven:
        return None
    said = _explanation(answer) or os.strerror(problem)
    kind = HostBusyError if problem in (errno.EBUSY, errno.EAGAIN, errno.ENOBUFS) else HostError
    return kind(asked.doing, where=where, answer=said, errno=problem)


def _explanation(answer: bytes) -> str:
    """Return the kernel's own sentence about an error, if it has one."""
    flags = _HEADER.unpack_from(answer)[2]
    offset = _HEADER.size + 4 + _HEADER.size  # The error, and the request's header.
    if not flags & _NLM_F_ACK_TLVS:
        return ""
    while offset + 4 <= len(answer):
        length, kind = struct.unpack_from("=HH", answer, offset)
        if length < 4:
            break
        if kind == _NLMSGERR_ATTR_MSG:
            return answer[offset + 4 : offset + length].rstrip(b"\0").decode(errors="replace")
        offset += (length + 3) & ~3
    return ""
