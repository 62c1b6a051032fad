"""The way that SPDY's bytes take: a connection of their own, or messages of a WebSocket.

Older clients upgrade the connection itself; kubectl from 1.31 on forwards ports through
a WebSocket (`SPDY/3.1+portforward.k8s.io`) whose binary messages are the same bytes, cut
anywhere.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

from aiohttp import WSMsgType, web

_MOST_WAITING = 256 * 1024


class Wire(Protocol):
    """Bytes both ways, one reader and one writer at a time."""

    async def read(self) -> bytes:
        """Return what has come; empty once the client has left."""

    async def write(self, data: bytes) -> None:
        """Send, and wait while too much is under way; ConnectionError."""

    async def close(self) -> None: ...


class UpgradedWire:
    """An HTTP connection after `101 Switching Protocols`."""

    def __init__(self, request: web.BaseRequest, reply: web.StreamResponse) -> None:
        self._transport = request.transport
        self.reply = reply
        self._waiting: list[bytes] = []
        self._size = 0
        self._came = asyncio.Event()
        self._ended = False
        self._paused = False

    @classmethod
    async def open(cls, request: web.BaseRequest, headers: dict[str, str]) -> UpgradedWire:
        """Answer 101 with these headers; what follows is ours."""
        reply = web.StreamResponse(status=101, headers={"Connection": "Upgrade", **headers})
        reply.force_close()
        wire = cls(request, reply)
        request.protocol.keep_alive(False)
        await reply.prepare(request)
        # The client's first bytes may come with the next turn of the loop.
        request.protocol.set_parser(wire)  # type: ignore[arg-type]  # Any `feed_data` will do.
        await reply.write(b"")
        return wire

    # What aiohttp asks of a parser.

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        self._waiting.append(bytes(data))
        self._size += len(data)
        self._came.set()
        if self._size > _MOST_WAITING and not self._paused and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()
        return False, b""

    def feed_eof(self) -> None:
        self._ended = True
        self._came.set()

    # Wire.

    async def read(self) -> bytes:
        while not self._waiting:
            if self._ended:
                return b""
            self._came.clear()
            await self._came.wait()
        data = self._waiting[0] if len(self._waiting) == 1 else b"".join(self._waiting)
        self._waiting.clear()
        self._size = 0
        if self._paused and self._transport is not None and not self._ended:
            self._paused = False
            self._transport.resume_reading()
        return data

    async def write(self, data: bytes) -> None:
        await self.reply.write(data)

    async def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


class TunnelWire:
    """A WebSocket whose binary messages hold the bytes; an empty one means nothing."""

    def __init__(self, socket: web.WebSocketResponse) -> None:
        self._socket = socket

    async def read(self) -> bytes:
        while True:
            message = await self._socket.receive()
            if message.type is WSMsgType.BINARY:
                if message.data:
                    return bytes(message.data)
            elif message.type is WSMsgType.PING:
                await self._socket.pong(message.data)
            elif message.type not in (WSMsgType.TEXT, WSMsgType.PONG):
                return b""

    async def write(self, data: bytes) -> None:
        await self._socket.send_bytes(data)

    async def close(self) -> None:
        await self._socket.close(code=1000)
