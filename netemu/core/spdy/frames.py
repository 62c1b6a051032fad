"""Frames: what stands on the wire, one after the other.

A control frame is version and type, flags, a length of 24 bits and its fields; a data
frame is a stream, flags, a length and that many bytes. Data is handed on as it arrives:
a frame may be 16 MiB long, and nobody has to hold one.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from enum import IntEnum

import msgspec

FIN = 0x01
_CONTROL = 0x80000000
_VERSION = 3
_LENGTH_MASK = 0xFFFFFF
_ID_MASK = 0x7FFFFFFF
_HEAD = struct.Struct(">II")
_LARGEST_CONTROL = 64 * 1024
INITIAL_WINDOW = 64 * 1024


class Type(IntEnum):
    SYN_STREAM = 1
    SYN_REPLY = 2
    RST_STREAM = 3
    SETTINGS = 4
    PING = 6
    GOAWAY = 7
    HEADERS = 8
    WINDOW_UPDATE = 9


class Reset(IntEnum):
    """Why a stream is reset."""

    PROTOCOL_ERROR = 1
    INVALID_STREAM = 2
    REFUSED_STREAM = 3
    CANCEL = 5
    FLOW_CONTROL_ERROR = 7


class Farewell(IntEnum):
    """Why a connection ends."""

    OK = 0
    PROTOCOL_ERROR = 1


class Setting(IntEnum):
    INITIAL_WINDOW_SIZE = 7


class FrameError(ValueError):
    """What came is not SPDY/3: the rest cannot be read either."""


class Control(msgspec.Struct, frozen=True):
    """A control frame, its fields not yet looked at."""

    type: int
    flags: int
    body: bytes


class Data(msgspec.Struct, frozen=True):
    """A data frame, or a part of one."""

    stream: int
    data: bytes
    fin: bool


class FrameReader:
    """Cuts what arrives into frames; it may arrive cut anywhere."""

    def __init__(self) -> None:
        self._pending = b""
        self._stream = 0
        self._left = 0
        """How much of a data frame is still to come."""
        self._fin = False

    def feed(self, data: bytes) -> Iterator[Control | Data]:
        """Yield what is there now; FrameError. To be exhausted before the next one is fed."""
        if self._pending:
            data = self._pending + data
        at, end = 0, len(data)
        while at < end:
            if self._left:
                taken = min(self._left, end - at)
                yield self._part(data[at : at + taken])
                at += taken
                continue
            if end - at < _HEAD.size:
                break
            first, second = _HEAD.unpack_from(data, at)
            length = second & _LENGTH_MASK
            if not first & _CONTROL:
                at += _HEAD.size
                self._stream, self._left = first, length
                self._fin = bool(second >> 24 & FIN)
                if not length:
                    yield self._part(b"")
                continue
            _check(first, length)
            if end - at < _HEAD.size + length:
                break
            at += _HEAD.size
            yield Control(first & 0xFFFF, second >> 24, data[at : at + length])
            at += length
        self._pending = data[at:]

    def _part(self, data: bytes) -> Data:
        self._left -= len(data)
        return Data(self._stream, data, self._fin and not self._left)


def _check(first: int, length: int) -> None:
    if (version := (first >> 16) & 0x7FFF) != _VERSION:
        raise FrameError(f"a control frame of version {version}, not {_VERSION}")
    if length > _LARGEST_CONTROL:
        raise FrameError(f"a control frame of {length} bytes")


def numbers(body: bytes, count: int) -> tuple[int, ...]:
    """Return the first 32-bit numbers of a control frame; FrameError if there are fewer."""
    try:
        return struct.unpack_from(f">{count}I", body)
    except struct.error as error:
        raise FrameError(f"a control frame is cut off: {error}") from error


def stream_id(number: int) -> int:
    """Return what the field says without the bit that is reserved."""
    return number & _ID_MASK


def settings(body: bytes) -> dict[int, int]:
    """Return the settings by their numbers; FrameError."""
    (count,) = numbers(body, 1)
    if len(body) != 4 + 8 * count:
        raise FrameError("SETTINGS of another length than it says")
    flat = numbers(body, 1 + 2 * count)[1:]
    return {key & 0xFFFFFF: value for key, value in zip(flat[::2], flat[1::2], strict=True)}


# --- as they are sent ----------------------------------------------------------------


def control(type: Type, body: bytes, *, flags: int = 0) -> bytes:
    return _HEAD.pack(_CONTROL | _VERSION << 16 | type, flags << 24 | len(body)) + body


def data(stream: int, body: bytes, *, fin: bool = False) -> bytes:
    return _HEAD.pack(stream, (FIN if fin else 0) << 24 | len(body)) + body


def syn_stream(stream: int, block: bytes, *, fin: bool = False) -> bytes:
    body = struct.pack(">IIBB", stream, 0, 0, 0) + block
    return control(Type.SYN_STREAM, body, flags=FIN if fin else 0)


def syn_reply(stream: int, block: bytes, *, fin: bool = False) -> bytes:
    return control(Type.SYN_REPLY, struct.pack(">I", stream) + block, flags=FIN if fin else 0)


def of_numbers(type: Type, values: Sequence[int]) -> bytes:
    """Make a frame that holds nothing but 32-bit numbers."""
    return control(type, struct.pack(f">{len(values)}I", *values))
