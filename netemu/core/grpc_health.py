"""gRPC's health protocol (grpc.health.v1): its messages.

A request names a service, an answer has one number; so no protobuf compiler is needed.
Both sides use this: the prober, and the servers of `images/grpc.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

CHECK = "/grpc.health.v1.Health/Check"
CONTENT_TYPE = "application/grpc"
_PREFIX = 5
"""Before each message: whether it is compressed, and its length."""
_LENGTH_DELIMITED = 2
_CODES = (
    "OK Canceled Unknown InvalidArgument DeadlineExceeded NotFound AlreadyExists"
    " PermissionDenied ResourceExhausted FailedPrecondition Aborted OutOfRange Unimplemented"
    " Internal Unavailable DataLoss Unauthenticated"
).split()
_UNKNOWN = 2
OK, NOT_FOUND, UNIMPLEMENTED = 0, 5, 12
_CODE_OF_HTTP_STATUS = {400: 13, 401: 16, 403: 7, 404: 12, 429: 14, 502: 14, 503: 14, 504: 14}


class Health(IntEnum):
    """What a service can be."""

    UNKNOWN = 0
    SERVING = 1
    NOT_SERVING = 2
    SERVICE_UNKNOWN = 3


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back of one call."""

    code: int
    """gRPC's: 0 is OK."""
    text: str = ""
    """`grpc-message`."""
    message: bytes = b""
    """Without the prefix."""


def framed(message: bytes) -> bytes:
    return b"\0" + len(message).to_bytes(4, "big") + message


def unframed(data: bytes) -> bytes:
    """Return the one message of a body; empty if it is not whole."""
    length = int.from_bytes(data[1:_PREFIX], "big")
    return data[_PREFIX : _PREFIX + length]


def request_of(service: str) -> bytes:
    name = service.encode()
    return b"\x0a" + _varint(len(name)) + name if name else b""


def service_of(request: bytes) -> str:
    """Return the service that a request names; ValueError if it is no request."""
    for number, value in _fields(request):
        if number == 1 and isinstance(value, bytes):
            return value.decode()
    return ""


def response_of(health: Health) -> bytes:
    return b"\x08" + bytes([health]) if health else b""


def health_of(response: bytes) -> int:
    for number, value in _fields(response):
        if number == 1 and isinstance(value, int):
            return value
    return 0


def answer_of(headers: dict[str, str], body: bytes) -> Answer:
    """Return what a response with these headers and trailers says."""
    status = headers.get(":status", "")
    code = headers.get("grpc-status", "")
    if status.isdigit() and status != "200" and not code:
        text = f"unexpected HTTP status code received from server: {status}"
        return Answer(_CODE_OF_HTTP_STATUS.get(int(status), _UNKNOWN), text)
    if not code.isdigit():
        return Answer(_UNKNOWN, "the server has ended the call without a grpc-status")
    return Answer(int(code), headers.get("grpc-message", ""), unframed(body))


def code_name(code: int) -> str:
    return _CODES[code] if code < len(_CODES) else f"Code({code})"


def _varint(value: int) -> bytes:
    low = value & 0x7F
    return bytes([low]) if value < 0x80 else bytes([low | 0x80]) + _varint(value >> 7)


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Yield the numbers and values of a protobuf message that has only numbers and strings."""
    at = 0
    while at < len(data):
        key, at = _read_varint(data, at)
        value, at = _read_varint(data, at)
        if key & 7 == _LENGTH_DELIMITED:
            yield key >> 3, data[at : at + value]
            at += value
        elif key & 7 == 0:
            yield key >> 3, value
        else:
            raise ValueError("the message is no health message")


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(data) and shift < 64:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
    raise ValueError("the message is cut off")
