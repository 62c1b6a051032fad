"""A SPDY connection and its streams, for whoever serves them.

`core.spdy` decides; here is who waits for whom. A stream holds what its reader has not
taken yet, up to a bound. Beyond it the whole connection is read no further, as clients
that keep no windows leave no other way: one slow reader holds up its neighbours.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable

from netemu.core.spdy.session import (
    Broken,
    Event,
    Opened,
    Received,
    Session,
    WasReset,
    Widened,
)
from netemu.daemons.apiserver.streaming.wire import Wire

log = logging.getLogger(__name__)

_MOST_HELD = 512 * 1024
_CHUNK = 64 * 1024
_LINGER_S = 2.0


class RefusedStreamError(Exception):
    """Why a stream that a client opened is of no use here."""


class SpdyStream:
    """One stream: bytes both ways, each direction ends for itself."""

    def __init__(self, connection: SpdyConnection, id: int, headers: dict[str, str]) -> None:
        self.id = id
        self.headers = headers
        self._connection = connection
        self._held: list[bytes] = []
        self.held = 0
        """Bytes that nobody has read yet."""
        self._ended = False
        self._broken = False
        self._unwanted = False
        self._changed = asyncio.Event()

    async def read(self) -> bytes:
        """Return what has come; empty at the end. ConnectionError if it was broken off."""
        while not self._held:
            if self._broken:
                raise ConnectionResetError("the client has reset the stream")
            if self._ended:
                return b""
            self._changed.clear()
            await self._changed.wait()
        data = self._held[0] if len(self._held) == 1 else b"".join(self._held)
        self._held.clear()
        self.held = 0
        await self._connection.was_read(self.id, len(data))
        return data

    async def write(self, data: bytes) -> None:
        """Send all of it; ConnectionError if the stream is over."""
        await self._connection.send(self.id, data)

    async def finish(self) -> None:
        """Say that nothing more will be sent; over already is success."""
        await self._connection.finish(self.id)

    async def reset(self) -> None:
        await self._connection.reset(self.id)

    def discard(self) -> None:
        """Throw away what still comes: nobody will read it, and the others have to go on."""
        self._unwanted = True
        self._held.clear()
        self.held = 0
        self._connection.go_on()

    # What the connection says.

    def feed(self, data: bytes, *, ended: bool) -> None:
        if data and not self._unwanted:
            self._held.append(data)
            self.held += len(data)
        self._ended = self._ended or ended
        self._changed.set()

    def break_off(self) -> None:
        """The client wants none of it any more: what is held is of no use either."""
        self._broken = True
        self._held.clear()
        self.held = 0
        self._changed.set()


class SpdyConnection:
    """One client's connection. Streams live while `run` does."""

    def __init__(self, wire: Wire, *, opened: Callable[[SpdyStream], None]) -> None:
        """`opened` is told of each new stream; it may refuse it with RefusedStreamError."""
        self._wire = wire
        self._opened = opened
        self._session = Session()
        self._streams: dict[int, SpdyStream] = {}
        self._writing = asyncio.Lock()
        self._room = asyncio.Event()
        self._taken = asyncio.Event()
        self._leaving = False
        self._over = asyncio.Event()

    async def run(self) -> None:
        """Serve until the client leaves or speaks nonsense."""
        try:
            while data := await self._wire.read():
                full = [stream for stream in map(self._heed, self._session.receive(data)) if stream]
                await self._flush()
                if self._session.broken:
                    break
                for stream in full:
                    await self._until_read(stream)
        except ConnectionError:
            pass  # The client has left.
        finally:
            for stream in self._streams.values():
                stream.break_off()
            self._streams.clear()
            self._room.set()
            self._over.set()

    def _heed(self, event: Event) -> SpdyStream | None:
        """Pass an event on; return the stream that holds too much by it."""
        match event:
            case Opened(stream=id, headers=headers, ended=ended):
                self._open(id, headers, ended=ended)
            case Received(stream=id, data=data, ended=ended) if id in self._streams:
                stream = self._streams[id]
                stream.feed(b"" if self._leaving else data, ended=ended)
                self._forget_if_over(id)
                return stream if stream.held > _MOST_HELD else None
            case WasReset(stream=id):
                if (gone := self._streams.pop(id, None)) is not None:
                    gone.break_off()
                self._room.set()
            case Widened():
                self._room.set()
            case Broken(why=why):
                log.info("a client's SPDY connection: %s", why)
        return None

    def _open(self, id: int, headers: dict[str, str], *, ended: bool) -> None:
        stream = SpdyStream(self, id, headers)
        try:
            self._opened(stream)
        except RefusedStreamError as error:
            log.info("stream refused: %s", error)
            self._session.reset(id)
            return
        self._streams[id] = stream
        if ended:
            stream.feed(b"", ended=True)
        self._session.accept(id)

    def _forget_if_over(self, id: int) -> None:
        if not self._session.knows(id):
            self._streams.pop(id, None)

    async def _until_read(self, stream: SpdyStream) -> None:
        while stream.held > _MOST_HELD and not self._leaving:
            self._taken.clear()
            await self._taken.wait()

    async def _flush(self) -> None:
        async with self._writing:
            if due := self._session.take():
                await self._wire.write(due)

    # What the streams do.

    def go_on(self) -> None:
        """Look again whether there is room for more."""
        self._taken.set()

    async def was_read(self, id: int, size: int) -> None:
        self._taken.set()
        self._session.consumed(id, size)
        await self._flush()

    async def send(self, id: int, data: bytes) -> None:
        view = memoryview(data)
        while view:
            if not self._session.is_open(id) or id not in self._streams:
                raise BrokenPipeError("the stream is over")
            room = min(self._session.room(id), _CHUNK)
            if not room:
                self._room.clear()
                await self._room.wait()
                continue
            self._session.send(id, bytes(view[:room]))
            view = view[room:]
            await self._flush()

    async def finish(self, id: int) -> None:
        if id in self._streams:
            self._session.send(id, b"", fin=True)
            self._forget_if_over(id)
            await self._flush()

    async def reset(self, id: int) -> None:
        stream = self._streams.pop(id, None)
        if stream is not None:
            stream.break_off()
            self._taken.set()
            self._session.reset(id)
            await self._flush()

    async def say_goodbye(self) -> None:
        """Let the client take what was sent, and hang up.

        Closing while it still sends would throw away what it has not received.
        """
        self._leaving = True
        self._taken.set()
        self._session.go_away()
        with contextlib.suppress(ConnectionError, TimeoutError):
            await self._flush()
            async with asyncio.timeout(_LINGER_S):
                await self._over.wait()
        await self._wire.close()
