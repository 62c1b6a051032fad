"""A client of SPDY/3.1 as kubectl is one, for tests: it keeps no windows."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping

from netemu.core.spdy import frames
from netemu.core.spdy.frames import FrameReader, Type
from netemu.core.spdy.headers import Compressor


class SpdyClient:
    """One upgraded connection. What streams said is gathered as it comes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._frames, self._deflate = FrameReader(), Compressor()
        self._next = 1
        self.accepted: set[int] = set()
        self.reset: set[int] = set()
        self.ended: set[int] = set()
        self.said: dict[int, bytes] = {}
        self.pongs: list[bytes] = []
        self.gone = False

    @classmethod
    async def upgrade(
        cls, port: int, path: str, headers: Mapping[str, str], *, method: str = "POST"
    ) -> tuple[int, bytes, SpdyClient]:
        """Return the status, head and body of the answer, and the connection."""
        tls = ssl.create_default_context()
        tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls)
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        writer.write(f"{method} {path} HTTP/1.1\r\nHost: api\r\n{lines}\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        return int(head.split()[1]), head, cls(reader, writer)

    async def open(self, **headers: str) -> int:
        stream, self._next = self._next, self._next + 2
        await self.send_raw(frames.syn_stream(stream, self._deflate.block(headers)))
        return stream

    async def send(self, stream: int, data: bytes, *, fin: bool = False) -> None:
        await self.send_raw(frames.data(stream, data, fin=fin))

    async def send_much(self, stream: int, mebibytes: int) -> None:
        for _ in range(mebibytes):
            await self.send(stream, b"x" * (1 << 20))

    async def send_raw(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def until(self, condition, *, within_s: float = 5) -> None:
        """Read until it is so."""
        async with asyncio.timeout(within_s):
            while not condition():
                data = await self._reader.read(1 << 16)
                if not data:
                    self.gone = True
                    assert condition(), "the server hung up"
                    return
                for frame in self._frames.feed(data):
                    self._hear(frame)

    async def until_closed(self) -> None:
        await self.until(lambda: self.gone)

    def _hear(self, frame: frames.Control | frames.Data) -> None:
        if isinstance(frame, frames.Data):
            self.said[frame.stream] = self.said.get(frame.stream, b"") + frame.data
            if frame.fin:
                self.ended.add(frame.stream)
            return
        number = int.from_bytes(frame.body[:4], "big")
        if frame.type == Type.SYN_REPLY:
            self.accepted.add(number)
        elif frame.type == Type.RST_STREAM:
            self.reset.add(number)
        elif frame.type == Type.PING:
            self.pongs.append(frame.body)

    async def close(self) -> None:
        self._writer.transport.abort()
