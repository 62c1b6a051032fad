"""Forwarded connections on SPDY: two streams each, as many at once as the client opens."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from dataclasses import dataclass

from netemu.daemons.apiserver.streaming.asked_ports import port_number
from netemu.daemons.apiserver.streaming.spdy import (
    RefusedStreamError,
    SpdyConnection,
    SpdyStream,
)
from netemu.daemons.apiserver.streaming.wire import Wire
from netemu.errors import HostError
from netemu.host.contract import SandboxPorts

_CHUNK = 64 * 1024
_PATIENCE_S = 30.0


@dataclass(slots=True)
class _Pair:
    """The streams of one connection; the second one completes it."""

    port: int
    data: SpdyStream | None = None
    error: SpdyStream | None = None


class StreamPairs:
    """All forwarded connections of one client."""

    def __init__(
        self, wire: Wire, ports: SandboxPorts, *, complaint: Callable[[int, HostError], bytes]
    ) -> None:
        self._ports = ports
        self._complaint = complaint
        self._waiting: dict[str, _Pair] = {}
        self._running: set[asyncio.Task[None]] = set()
        self._connection = SpdyConnection(wire, opened=self._opened)

    async def run(self) -> None:
        """Forward until the client leaves or the Pod is gone."""
        async with asyncio.TaskGroup() as self._group:
            serving = self._begin(self._connection.run())
            watching = self._begin(self._ports.gone())
            await asyncio.wait((serving, watching), return_when=asyncio.FIRST_COMPLETED)
            if watching.done():
                await self._connection.say_goodbye()
            for task in self._running:
                task.cancel()

    def _begin(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = self._group.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task

    def _opened(self, stream: SpdyStream) -> None:
        """Find the stream's other half, or keep it until that comes."""
        kind, port = _meaning(stream)
        request = _request_id(stream, kind)
        pair = self._waiting.setdefault(request, _Pair(port))
        if getattr(pair, kind) is not None:
            raise RefusedStreamError(f"{kind} stream of request {request} is there already")
        setattr(pair, kind, stream)
        if pair.data is not None and pair.error is not None:
            del self._waiting[request]
            self._begin(self._forward(pair.data, pair.error, pair.port))
        else:
            self._begin(self._give_up(request, pair))

    async def _give_up(self, request: str, pair: _Pair) -> None:
        """End half a pair whose other half never came."""
        await asyncio.sleep(_PATIENCE_S)
        if self._waiting.get(request) is pair:
            del self._waiting[request]
            for stream in (pair.data, pair.error):
                if stream is not None:
                    await stream.reset()

    async def _forward(self, data: SpdyStream, error: SpdyStream, port: int) -> None:
        with contextlib.suppress(ConnectionError):
            try:
                reader, writer = await self._ports.connect(port)
            except HostError as problem:
                data.discard()
                await error.write(self._complaint(port, problem))
                await data.finish()
                await error.finish()
                return
            try:
                async with asyncio.TaskGroup() as pumps:
                    pumps.create_task(_pump_up(data, writer))
                    await _pump_down(reader, data)
                    # The Pod may go on listening, but the client waits for both of these.
                    await data.finish()
                    await error.finish()
            finally:
                writer.close()


def _meaning(stream: SpdyStream) -> tuple[str, int]:
    """Return what kind of stream of which port it is; RefusedStreamError."""
    text = stream.headers.get("port", "")
    if not text:
        raise RefusedStreamError('"port" header is required')
    try:
        port = port_number(text)
    except ValueError as error:
        raise RefusedStreamError(str(error)) from error
    kind = stream.headers.get("streamtype", "")
    if not kind:
        raise RefusedStreamError('"streamType" header is required')
    if kind not in ("data", "error"):
        raise RefusedStreamError(f'invalid stream type "{kind}"')
    return kind, port


def _request_id(stream: SpdyStream, kind: str) -> str:
    """Return what joins two streams: very old clients open the error stream just before."""
    own = str(stream.id if kind == "error" else stream.id - 2)
    return stream.headers.get("requestid") or own


async def _pump_up(stream: SpdyStream, writer: asyncio.StreamWriter) -> None:
    """Client to Pod, to the end of what the client sends."""
    try:
        while data := await stream.read():
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
    except OSError:  # Either end wants no more of it.
        stream.discard()
        writer.transport.abort()


async def _pump_down(reader: asyncio.StreamReader, stream: SpdyStream) -> None:
    """Pod to client, to the end of what the Pod sends."""
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(_CHUNK):
            await stream.write(data)
