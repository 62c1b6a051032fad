"""Channels on a WebSocket: each message begins with its channel (kube-api.md, 5).

0 stdin, 1 stdout, 2 stderr, 3 the final Status, 4 terminal sizes, and in v5 255, which
closes the channel that follows. In the `base64` protocols messages are text: a digit,
and the rest encoded.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Any

from aiohttp import WSMessage, WSMsgType, web

from netemu.daemons.apiserver.streaming.channels import Channel, Ending, Heed
from netemu.errors import ApiError

_V5 = "v5.channel.k8s.io"
PROTOCOLS = (
    _V5,
    "v4.channel.k8s.io",
    "v4.base64.channel.k8s.io",
    "channel.k8s.io",
    "base64.channel.k8s.io",
)
_CLOSE = 255
_PATIENCE_S = 0.25
_LARGEST_MESSAGE = 4 * 1024 * 1024


def is_websocket(request: web.BaseRequest) -> bool:
    return request.headers.get("Upgrade", "").lower() == "websocket"


def choose_protocol(request: web.BaseRequest, ours: Sequence[str]) -> str:
    """Return the first protocol of the client that we speak, "" if it names none.

    ApiError 403 if we speak none of them.
    """
    said = ",".join(request.headers.getall("Sec-WebSocket-Protocol", []))
    theirs = [word.strip() for word in said.split(",") if word.strip()]
    for protocol in theirs:
        if protocol in ours:
            return protocol
    if not theirs:
        return ""
    listed = f"[{' '.join(theirs)}]; supports [{' '.join(ours)}]"
    raise ApiError(403, "Forbidden", f"requested protocol(s) are not supported: {listed}")


async def open_socket(request: web.BaseRequest, protocol: str) -> web.WebSocketResponse:
    """Shake hands; ApiError 400 if the client does it wrong."""
    socket = web.WebSocketResponse(
        protocols=(protocol,) if protocol else (),
        max_msg_size=_LARGEST_MESSAGE,
        autoping=False,
        compress=False,
    )
    try:
        await socket.prepare(request)
    except web.HTTPException as error:
        raise ApiError(400, "BadRequest", error.text or error.reason) from error
    return socket


class Messages:
    """Channels told apart by the first byte of each message."""

    def __init__(self, socket: web.WebSocketResponse) -> None:
        self._socket = socket
        self._base64 = "base64." in (socket.ws_protocol or "")
        # Writers that wait for one connection must not be many: one that leaves ends all.
        self._writing = asyncio.Lock()
        self._listened = asyncio.Event()

    async def listened(self) -> None:
        """Wait until the client has begun to read, for a while: some never answer a ping.

        kubectl 1.30 and 1.31 throw away what arrives before they know their streams,
        and a program may have said all before that.
        """
        await self._socket.ping()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCE_S):
                await self._listened.wait()

    async def send(self, channel: int, data: bytes) -> None:
        async with self._writing:
            if self._base64:
                await self._socket.send_str(f"{channel}{base64.b64encode(data).decode()}")
            else:
                await self._socket.send_bytes(bytes((channel,)) + data)

    async def received(self) -> AsyncIterator[tuple[int, bytes]]:
        """Yield channels and data until the client leaves; nonsense is passed over."""
        async for message in self._socket:
            if message.type is WSMsgType.PING:
                await self._socket.pong(message.data)
            elif message.type is WSMsgType.PONG:
                self._listened.set()
            data = _bytes(message)
            if not data:
                continue
            channel, rest = data[0], data[1:]
            if self._base64:
                try:
                    channel, rest = channel - ord("0"), base64.b64decode(rest, validate=True)
                except binascii.Error:
                    continue
            yield channel, rest


class WebSocketChannels:
    """Keeps `Channels`."""

    def __init__(self, socket: web.WebSocketResponse) -> None:
        self._socket = socket
        self._messages = Messages(socket)
        self._listens = False
        self._sends_status = (socket.ws_protocol or "").startswith("v")

    async def receive(self, heed: Heed) -> None:
        async for channel, data in self._messages.received():
            if channel == _CLOSE:
                if data[:1] == bytes((Channel.STDIN,)) and self._socket.ws_protocol == _V5:
                    await heed(Channel.STDIN, b"")
            elif data and channel in (Channel.STDIN, Channel.RESIZE):
                await heed(Channel(channel), data)

    async def send(self, channel: Channel, data: bytes) -> None:
        if not self._listens:
            await self._messages.listened()
            self._listens = True
        await self._messages.send(channel, data)

    async def finish(self, ending: Ending) -> None:
        """Say how it ended, then close: a client without the Close frame waits for ever."""
        if said := ending.status() if self._sends_status else ending.complaint():
            await self.send(Channel.ERROR, said)
        await self._socket.close(code=1000)


def _bytes(message: WSMessage) -> bytes:
    data: Any = message.data
    if message.type is WSMsgType.TEXT:
        return str(data).encode()
    return bytes(data) if message.type is WSMsgType.BINARY else b""
