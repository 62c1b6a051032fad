"""Where the cluster's DNS asks for names that are not the cluster's: the host's name servers.

They are reached through sockets that were opened in the host's network namespace, so a
stub resolver on the host's loopback serves as well as a server far away. An answer is
taken only from the server that was asked, with the number and the question that it was
asked with; anything else is ignored, and the wait goes on.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import socket
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field

from netemu.core.dns import wire
from netemu.host import borrowed_sockets

_UDP_SOCKETS = 4
_TCP_SOCKETS = 4
_PATIENCE_S = 4.0
"""glibc waits for five seconds: it shall still hear of the failure."""
_LEAST_TRIES = 2
_MOST_AT_ONCE = 1000
_PORT = 53


def open_sockets() -> list[socket.socket]:
    """Open the way out, in the host's network namespace."""
    return [
        *(borrowed_sockets.open_udp() for _ in range(_UDP_SOCKETS)),
        *(borrowed_sockets.open_tcp() for _ in range(_TCP_SOCKETS)),
    ]


@dataclass(eq=False, slots=True)
class _Asked:
    """A question that is under way."""

    server: str
    packet: bytes
    answer: asyncio.Future[bytes]


@dataclass(eq=False)
class Upstream:
    """The host's name servers: the first that answers goes on being asked first."""

    sockets: Sequence[socket.socket]
    servers: Sequence[str]
    patience_s: float = _PATIENCE_S
    """In all, for every server and every try together."""
    _asked: dict[tuple[int, int], _Asked] = field(default_factory=dict)
    _first: int = 0
    _turn: int = 0

    def __post_init__(self) -> None:
        self._udp = [each for each in self.sockets if each.type == socket.SOCK_DGRAM]
        self._tcp: asyncio.Queue[socket.socket] = asyncio.Queue()
        for each in self.sockets:
            if each.type == socket.SOCK_STREAM:
                self._tcp.put_nowait(each)

    @property
    def usable(self) -> bool:
        """Is there anybody to ask, and is there room for one more question?"""
        return bool(self.servers and self._udp) and len(self._asked) < _MOST_AT_ONCE

    def listen(self) -> None:
        loop = asyncio.get_running_loop()
        for each in self._udp:
            loop.add_reader(each, self._receive, each)

    def close(self) -> None:
        loop = asyncio.get_running_loop()
        for each in self._udp:
            loop.remove_reader(each)

    async def ask(self, packet: bytes, *, tcp: bool = False) -> bytes | None:
        """Send a query on; return the answer with our asker's ID, None if nobody answers.

        With `tcp` an answer that is too long for UDP is fetched whole.
        """
        tries = max(_LEAST_TRIES, len(self.servers))
        for attempt in range(tries):
            place = (self._first + attempt) % len(self.servers)
            with contextlib.suppress(TimeoutError, OSError):
                async with asyncio.timeout(self.patience_s / tries):
                    answer = await self._ask_by_udp(packet, self.servers[place])
                    if tcp and wire.is_truncated(answer):
                        answer = await self._ask_by_tcp(packet, self.servers[place])
                self._first = place
                return packet[:2] + answer[2:]
        return None

    async def _ask_by_udp(self, packet: bytes, server: str) -> bytes:
        self._turn = (self._turn + 1) % len(self._udp)
        udp = self._udp[self._turn]
        number = self._unused_number(udp)
        query = number.to_bytes(2, "big") + packet[2:]
        key = (udp.fileno(), number)
        asked = _Asked(server, query, asyncio.get_running_loop().create_future())
        self._asked[key] = asked
        try:
            try:
                udp.sendto(query, (server, _PORT))
            except OSError:
                # It may be what ICMP said of an earlier datagram: that is told only once.
                self._hear_of_refusals(udp)
                udp.sendto(query, (server, _PORT))
            return await asked.answer
        finally:
            del self._asked[key]

    def _unused_number(self, udp: socket.socket) -> int:
        """Two questions with one number would get each other's answers."""
        while True:
            number = secrets.randbits(16)
            if (udp.fileno(), number) not in self._asked:
                return number

    def _receive(self, udp: socket.socket) -> None:
        self._hear_of_refusals(udp)
        while True:
            try:
                packet, (address, port) = udp.recvfrom(65535)
            except BlockingIOError:
                return
            except OSError:
                self._hear_of_refusals(udp)
                continue
            asked = self._asked.get((udp.fileno(), int.from_bytes(packet[:2], "big")))
            if asked is None or (address, port) != (asked.server, _PORT):
                continue
            if wire.answers(packet, asked.packet) and not asked.answer.done():
                asked.answer.set_result(packet)

    def _hear_of_refusals(self, udp: socket.socket) -> None:
        for datagram, server in borrowed_sockets.refused_datagrams(udp):
            asked = self._asked.get((udp.fileno(), int.from_bytes(datagram[:2], "big")))
            if asked is not None and server in (asked.server, "") and not asked.answer.done():
                asked.answer.set_exception(ConnectionRefusedError())

    async def _ask_by_tcp(self, packet: bytes, server: str) -> bytes:
        loop = asyncio.get_running_loop()
        tcp = await self._tcp.get()
        try:
            await loop.sock_connect(tcp, (server, _PORT))
            await loop.sock_sendall(tcp, struct.pack("!H", len(packet)) + packet)
            (length,) = struct.unpack("!H", await _read_exactly(tcp, 2))
            answer = await _read_exactly(tcp, length)
        finally:
            borrowed_sockets.disconnect(tcp)
            self._tcp.put_nowait(tcp)
        if not wire.answers(answer, packet):
            raise ConnectionError(f"{server} answered another question")
        return answer


async def _read_exactly(tcp: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        piece = await asyncio.get_running_loop().sock_recv(tcp, count - len(data))
        if not piece:
            raise ConnectionError("closed in the middle of an answer")
        data += piece
    return data
