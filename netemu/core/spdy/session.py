"""A server's end of one SPDY connection: which streams there are, and what they may send.

The other end is moby/spdystream in all of Kubernetes' clients. It answers no
SETTINGS, sends no WINDOW_UPDATE and obeys none: windows bind the sender here only once
the peer has shown that it keeps them; to one that does, what was read is announced.
Names of headers are in lower case on the wire.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from netemu.core.spdy import frames
from netemu.core.spdy.frames import INITIAL_WINDOW, Farewell, FrameError, Reset, Setting, Type
from netemu.core.spdy.headers import Compressor, Decompressor, HeaderError

_WHOLE = 0
"""The stream of WINDOW_UPDATE that means the connection (SPDY/3.1)."""
_MOST_STREAMS = 4096
_LARGEST_WINDOW = 0x7FFFFFFF
UNBOUND = _LARGEST_WINDOW
"""How much may be sent to a peer that keeps no windows."""


class Opened(msgspec.Struct, frozen=True):
    """The client opened a stream; it waits for `accept` or `reset`."""

    stream: int
    headers: dict[str, str]
    ended: bool


class Received(msgspec.Struct, frozen=True):
    stream: int
    data: bytes
    ended: bool
    """The client sends nothing more on it."""


class WasReset(msgspec.Struct, frozen=True):
    stream: int


class Widened(msgspec.Struct, frozen=True):
    """More may be sent than before."""


class Broken(msgspec.Struct, frozen=True):
    """The client does not speak SPDY: a GOAWAY says so, and nothing more is read."""

    why: str


Event = Opened | Received | WasReset | Widened | Broken


class _Stream(msgspec.Struct):
    sendable: int
    unannounced: int = 0
    ended_there: bool = False
    ended_here: bool = False


class Session:
    """The state of one connection. `take` returns the bytes that are due after each call."""

    def __init__(self) -> None:
        self._reader = frames.FrameReader()
        self._inflate, self._deflate = Decompressor(), Compressor()
        self._streams: dict[int, _Stream] = {}
        self._last = 0
        self._due: list[bytes] = []
        self._sendable = INITIAL_WINDOW
        self._initial = INITIAL_WINDOW
        self._unannounced = 0
        self._keeps_windows = False
        self.broken = False
        """The client spoke nonsense; a GOAWAY is the last that it gets."""

    def take(self) -> bytes:
        """Return what is to be sent now."""
        due = self._due
        if len(due) == 1:
            (found,) = due
        else:
            found = b"".join(due)
        due.clear()
        return found

    # --- what arrives ----------------------------------------------------------------

    def receive(self, data: bytes) -> list[Event]:
        """Take bytes as they come; return what they mean."""
        events: list[Event] = []
        if self.broken:
            return events
        try:
            for frame in self._reader.feed(data):
                if isinstance(frame, frames.Data):
                    self._data_came(frame, events)
                else:
                    self._control_came(frame, events)
        except (FrameError, HeaderError) as error:
            self.broken = True
            self.go_away(Farewell.PROTOCOL_ERROR)
            events.append(Broken(str(error)))
        return events

    def _data_came(self, frame: frames.Data, events: list[Event]) -> None:
        stream = self._streams.get(frame.stream)
        if stream is None or stream.ended_there:
            # Of a stream that is over, some may still be on its way.
            if stream is not None or frame.stream > self._last:
                self._say_reset(frame.stream, Reset.INVALID_STREAM)
            self._read(len(frame.data))
            return
        stream.ended_there = frame.fin
        events.append(Received(frame.stream, frame.data, frame.fin))
        self._forget_if_over(frame.stream, stream)

    def _control_came(self, frame: frames.Control, events: list[Event]) -> None:
        match frame.type:
            case Type.SYN_STREAM:
                self._opened(frame, events)
            case Type.HEADERS | Type.SYN_REPLY:
                # Nobody sends them to a server; read, for the sake of the next block.
                frames.numbers(frame.body, 1)
                self._inflate.headers(frame.body[4:])
            case Type.RST_STREAM:
                number, _ = frames.numbers(frame.body, 2)
                if self._streams.pop(frames.stream_id(number), None) is not None:
                    events.append(WasReset(frames.stream_id(number)))
            case Type.SETTINGS:
                self._set(frames.settings(frame.body), events)
            case Type.PING:
                (number,) = frames.numbers(frame.body, 1)
                if number % 2:  # Even ones would be answers to ours.
                    self._due.append(frames.of_numbers(Type.PING, (number,)))
            case Type.WINDOW_UPDATE:
                number, by = frames.numbers(frame.body, 2)
                self._widen(frames.stream_id(number), by & _LARGEST_WINDOW, events)
            case _:
                pass  # GOAWAY comes before the end; the unknown is ignored (2.2.1).

    def _opened(self, frame: frames.Control, events: list[Event]) -> None:
        number, _ = frames.numbers(frame.body, 2)
        stream = frames.stream_id(number)
        headers = self._inflate.headers(frame.body[10:])
        if stream % 2 == 0 or stream <= self._last:
            self._streams.pop(stream, None)
            self._say_reset(stream, Reset.PROTOCOL_ERROR)
            return
        self._last = stream
        if len(self._streams) >= _MOST_STREAMS:
            self._say_reset(stream, Reset.REFUSED_STREAM)
            return
        ended = bool(frame.flags & frames.FIN)
        self._streams[stream] = _Stream(self._initial, ended_there=ended)
        events.append(Opened(stream, headers, ended))

    def _set(self, found: dict[int, int], events: list[Event]) -> None:
        size = found.get(Setting.INITIAL_WINDOW_SIZE)
        if size is None:
            return
        if size > _LARGEST_WINDOW:
            raise FrameError(f"a window of {size} bytes")
        self._keeps_windows = True
        for stream in self._streams.values():
            stream.sendable += size - self._initial
        self._initial = size
        events.append(Widened())

    def _widen(self, number: int, by: int, events: list[Event]) -> None:
        self._keeps_windows = True
        if number == _WHOLE:
            self._sendable += by
            if self._sendable > _LARGEST_WINDOW:
                raise FrameError("the connection's window overflows")
        elif (stream := self._streams.get(number)) is not None:
            stream.sendable += by
            if stream.sendable > _LARGEST_WINDOW:
                self.reset(number, Reset.FLOW_CONTROL_ERROR)
                events.append(WasReset(number))
        events.append(Widened())

    # --- what is sent ----------------------------------------------------------------

    def accept(self, stream: int, headers: Mapping[str, str] | None = None) -> None:
        """Answer that the stream is open: clients wait for it."""
        self._due.append(frames.syn_reply(stream, self._deflate.block(headers or {})))

    def reset(self, stream: int, why: Reset = Reset.CANCEL) -> None:
        """End a stream in both directions, if it has not ended yet."""
        if self._streams.pop(stream, None) is not None:
            self._say_reset(stream, why)

    def room(self, stream: int) -> int:
        """Return how much may be sent on it now; 0 also when it is over."""
        found = self._streams.get(stream)
        if found is None or found.ended_here:
            return 0
        if not self._keeps_windows:
            return UNBOUND
        return max(0, min(found.sendable, self._sendable))

    def is_open(self, stream: int) -> bool:
        """Say whether something can still be sent on it."""
        found = self._streams.get(stream)
        return found is not None and not found.ended_here

    def knows(self, stream: int) -> bool:
        """Say whether the stream is not over yet, in one direction at least."""
        return stream in self._streams

    def send(self, stream: int, data: bytes, *, fin: bool = False) -> None:
        """Send data, of at most `room` bytes; nothing on a stream that is over."""
        found = self._streams.get(stream)
        if found is None or found.ended_here:
            return
        found.sendable -= len(data)
        self._sendable -= len(data)
        found.ended_here = fin
        self._due.append(frames.data(stream, data, fin=fin))
        self._forget_if_over(stream, found)

    def consumed(self, stream: int, size: int) -> None:
        """Announce that so much was read and can be sent again."""
        self._read(size)
        found = self._streams.get(stream)
        if found is None or found.ended_there:
            return
        found.unannounced += size
        if found.unannounced >= INITIAL_WINDOW // 2:
            self._due.append(frames.of_numbers(Type.WINDOW_UPDATE, (stream, found.unannounced)))
            found.unannounced = 0

    def go_away(self, why: Farewell = Farewell.OK) -> None:
        self._due.append(frames.of_numbers(Type.GOAWAY, (self._last, why)))

    def _read(self, size: int) -> None:
        self._unannounced += size
        if self._unannounced >= INITIAL_WINDOW // 2:
            self._due.append(frames.of_numbers(Type.WINDOW_UPDATE, (_WHOLE, self._unannounced)))
            self._unannounced = 0

    def _say_reset(self, stream: int, why: Reset) -> None:
        self._due.append(frames.of_numbers(Type.RST_STREAM, (stream, why)))

    def _forget_if_over(self, number: int, stream: _Stream) -> None:
        if stream.ended_here and stream.ended_there:
            self._streams.pop(number, None)
