"""A load of DNS questions, bounded in number and time.

Questions go out in batches of one system call each (sendmmsg) and answers come back
the same way (recvmmsg), or the asker in Python would be slower than who answers. Only
so many questions are under way as the server's socket holds without losing one; what
is lost all the same is not asked again, and counted.
"""

from __future__ import annotations

import ctypes
import errno
import os
import select
import socket
import time
from dataclasses import dataclass

from netemu.core.dns.question import address_question, has_records
from netemu.errors import HostError
from netemu.host.netns import Netns

_BATCH = 64
_UNDER_WAY = 512
_LOST_AFTER_S = 0.2
_ANSWER_BYTES = 512
_NAMES = ("kubernetes.default", "kube-dns.kube-system")

_libc = ctypes.CDLL(None, use_errno=True)


class _Piece(ctypes.Structure):
    """struct iovec."""

    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


class _Header(ctypes.Structure):
    """struct msghdr."""

    _fields_ = (
        ("name", ctypes.c_void_p),
        ("name_length", ctypes.c_uint32),
        ("pieces", ctypes.POINTER(_Piece)),
        ("piece_count", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_length", ctypes.c_size_t),
        ("flags", ctypes.c_int),
    )


class _Message(ctypes.Structure):
    """struct mmsghdr."""

    _fields_ = (("header", _Header), ("length", ctypes.c_uint32))


@dataclass(frozen=True, slots=True)
class Load:
    """What came of it."""

    questions: int
    answers: int
    took_s: float


class Batch:
    """Datagrams that cross into the kernel together, of a connected socket."""

    def __init__(self, datagrams: list[bytes]) -> None:
        count = len(datagrams)
        self._buffers = [ctypes.create_string_buffer(data, len(data)) for data in datagrams]
        self._pieces = (_Piece * count)()
        self._messages = (_Message * count)()
        for piece, message, buffer in zip(self._pieces, self._messages, self._buffers, strict=True):
            piece.base, piece.length = ctypes.addressof(buffer), len(buffer)
            message.header.pieces, message.header.piece_count = ctypes.pointer(piece), 1

    def send(self, descriptor: int) -> int:
        return self._pass(_libc.sendmmsg(descriptor, self._messages, len(self._buffers), 0))

    def receive(self, descriptor: int) -> int:
        """Take what is there, without waiting."""
        wanted = len(self._buffers)
        return self._pass(
            _libc.recvmmsg(descriptor, self._messages, wanted, socket.MSG_DONTWAIT, None)
        )

    def datagram(self, index: int) -> bytes:
        return self._buffers[index].raw[: self._messages[index].length]

    @staticmethod
    def _pass(count: int) -> int:
        if count >= 0:
            return count
        code = ctypes.get_errno()
        if code in (errno.EAGAIN, errno.EINTR, errno.ENOBUFS):
            return 0
        raise HostError("asking DNS", answer=os.strerror(code), errno=code)


def ask_many(space: Netns, server: str, *, domain: str, answers: int, within_s: float) -> Load:
    """Ask one server for what it has cached until so many answers came, or time is over."""
    asked = Batch(
        [
            address_question(f"{_NAMES[number % len(_NAMES)]}.svc.{domain}", id=number)
            for number in range(_BATCH)
        ]
    )
    answered = Batch([bytes(_ANSWER_BYTES)] * _BATCH)
    with space.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        udp.connect((server, 53))
        load = _ask(udp.fileno(), asked, answered, answers, within_s)
    if load.answers == 0:
        raise HostError("asking DNS", where=server, answer="no answer")
    if not has_records(answered.datagram(0)):
        raise HostError("asking DNS", where=server, answer="an answer without records")
    return load


def _ask(udp: int, asked: Batch, answered: Batch, wanted: int, within_s: float) -> Load:
    poll = select.poll()
    poll.register(udp, select.POLLIN)
    sent = received = lost = 0
    began = time.monotonic()
    while received < wanted and time.monotonic() - began < within_s:
        while sent - received - lost <= _UNDER_WAY - _BATCH:
            sent += asked.send(udp)
        if not poll.poll(_LOST_AFTER_S * 1000):
            lost = sent - received
        while count := answered.receive(udp):
            received += count
    return Load(sent, received, time.monotonic() - began)
