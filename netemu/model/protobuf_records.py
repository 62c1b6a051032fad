"""The bytes of protobuf messages: numbered records, numbers of varying length."""

from __future__ import annotations

from collections.abc import Iterator

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5


class MalformedError(ValueError):
    """The bytes are no protobuf message."""


def records(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Yield number and raw value of each field of a message."""
    at = 0
    while at < len(message):
        tag, at = read_varint(message, at)
        wire_type = tag & 7
        if wire_type == VARINT:
            value, at = read_varint(message, at)
            yield tag >> 3, value
            continue
        if wire_type == BYTES:
            size, at = read_varint(message, at)
        elif wire_type in (FIXED64, FIXED32):
            size = 8 if wire_type == FIXED64 else 4
        else:
            raise MalformedError(f"wire type {wire_type} is not used by Kubernetes")
        if at + size > len(message):
            raise MalformedError("a message ends too early")
        yield tag >> 3, message[at : at + size]
        at += size


def read_varint(message: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(message) and shift < 70:
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFF_FFFF_FFFF_FFFF, at
        shift += 7
    raise MalformedError("a number ends too early")


def varint(value: int) -> bytes:
    value &= 0xFFFF_FFFF_FFFF_FFFF
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def record(number: int, encoded: tuple[int, bytes]) -> bytes:
    wire_type, payload = encoded
    head = varint(number << 3 | wire_type)
    return head + (varint(len(payload)) if wire_type == BYTES else b"") + payload
