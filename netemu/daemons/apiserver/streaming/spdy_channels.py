"""Channels on SPDY: a stream each, named by its header `streamtype` (kube-api.md, 5).

The client opens them; the session begins when all are there that its request spoke of.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Collection

from netemu.daemons.apiserver.streaming.channels import Channel, Ending, Heed
from netemu.daemons.apiserver.streaming.spdy import (
    RefusedStreamError,
    SpdyConnection,
    SpdyStream,
)
from netemu.daemons.apiserver.streaming.wire import Wire

V4 = "v4.channel.k8s.io"
PROTOCOLS = (V4, "v3.channel.k8s.io", "v2.channel.k8s.io", "channel.k8s.io")
_WITHOUT_RESIZE = PROTOCOLS[2:]
_PATIENCE_S = 30.0
_LONGEST_SIZE = 1024


class SpdyChannels:
    """Keeps `Channels`."""

    def __init__(self, wire: Wire, expected: Collection[Channel], *, protocol: str) -> None:
        self._expected = set(expected)
        if protocol in _WITHOUT_RESIZE:
            self._expected.discard(Channel.RESIZE)
        self._sends_status = protocol == V4
        self._streams: dict[Channel, SpdyStream] = {}
        self._complete = asyncio.Event()
        self._connection = SpdyConnection(wire, opened=self._opened)

    def _opened(self, stream: SpdyStream) -> None:
        name = stream.headers.get("streamtype", "")
        channel = Channel.__members__.get(name.upper()) if name.islower() else None
        if channel is None:
            raise RefusedStreamError(f'invalid stream type "{name}"')
        if channel not in self._expected or channel in self._streams:
            raise RefusedStreamError(f'unexpected stream "{name}"')
        self._streams[channel] = stream
        if self._expected == self._streams.keys():
            self._complete.set()

    async def receive(self, heed: Heed) -> None:
        pumps = {Channel.STDIN: self._stdin, Channel.RESIZE: self._sizes}
        async with asyncio.TaskGroup() as tasks:
            running = [
                tasks.create_task(pump(heed))
                for channel, pump in pumps.items()
                if channel in self._expected
            ]
            await self._connection.run()
            # A process that does not read would keep them for ever.
            for task in running:
                task.cancel()

    async def _stdin(self, heed: Heed) -> None:
        await self._complete.wait()
        # A reset means that no more will come, like the end.
        with contextlib.suppress(ConnectionError):
            while data := await self._streams[Channel.STDIN].read():
                await heed(Channel.STDIN, data)
        await heed(Channel.STDIN, b"")

    async def _sizes(self, heed: Heed) -> None:
        await self._complete.wait()
        pending = b""
        with contextlib.suppress(ConnectionError):
            while data := await self._streams[Channel.RESIZE].read():
                # One JSON object a line, cut anywhere.
                *lines, pending = (pending + data).split(b"\n")
                pending = pending[-_LONGEST_SIZE:]
                for line in lines:
                    await heed(Channel.RESIZE, line)

    async def send(self, channel: Channel, data: bytes) -> None:
        await self._all_there()
        if channel in self._streams:
            await self._streams[channel].write(data)

    async def _all_there(self) -> None:
        if not self._complete.is_set():
            try:
                async with asyncio.timeout(_PATIENCE_S):
                    await self._complete.wait()
            except TimeoutError:
                text = "timed out waiting for client to create streams"
                raise ConnectionAbortedError(text) from None

    async def finish(self, ending: Ending) -> None:
        await self._all_there()
        if said := ending.status() if self._sends_status else ending.complaint():
            await self._streams[Channel.ERROR].write(said)
        for stream in self._streams.values():
            await stream.finish()
        await self._connection.say_goodbye()
