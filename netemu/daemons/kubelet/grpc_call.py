"""A health check by gRPC, as bytes that come and go: HTTP/2 without encryption.

Imported when a Pod with such a probe turns up, and not before: HTTP/2 is not needed else.
"""

from __future__ import annotations

import asyncio
from urllib.parse import unquote

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    RemoteSettingsChanged,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    TrailersReceived,
)
from h2.exceptions import ProtocolError

from netemu.core.grpc_health import (
    CHECK,
    CONTENT_TYPE,
    Answer,
    answer_of,
    framed,
    request_of,
)

_MOST = 64 << 10
_INTERNAL, _UNAVAILABLE = 13, 14


class NoGrpcError(Exception):
    """Who answers speaks no HTTP/2."""


class HealthCall:
    """One call of `Check`; NoGrpcError if there is no way to ask so much."""

    def __init__(self, authority: str, service: str, agent: str) -> None:
        self.answer: Answer | None = None
        self.greeted = False
        """The other side has shown that it speaks HTTP/2."""
        self._headers: dict[str, str] = {}
        self._body = b""
        self._h2 = H2Connection(H2Configuration(client_side=True, header_encoding="utf-8"))
        self._h2.initiate_connection()
        stream = self._h2.get_next_available_stream_id()
        headers = {
            ":method": "POST",
            ":scheme": "http",
            ":path": CHECK,
            ":authority": authority,
            "content-type": CONTENT_TYPE,
            "te": "trailers",
            "user-agent": agent,
        }
        self._h2.send_headers(stream, list(headers.items()))
        self._send(stream, framed(request_of(service)))

    def _send(self, stream: int, message: bytes) -> None:
        if len(message) > self._h2.local_flow_control_window(stream):
            raise NoGrpcError("the name of the service is longer than a first message may be")
        size = self._h2.max_outbound_frame_size
        for start in range(0, len(message), size):
            ends = start + size >= len(message)
            self._h2.send_data(stream, message[start : start + size], end_stream=ends)

    def to_send(self) -> bytes:
        return bytes(self._h2.data_to_send())

    def feed(self, data: bytes) -> None:
        """Take what came; NoGrpcError if it is no HTTP/2."""
        try:
            for event in self._h2.receive_data(data):
                self._note(event)
        except (ProtocolError, ValueError) as error:
            if not self.greeted:
                raise NoGrpcError(f"error reading server preface: {error}") from error
            self.answer = Answer(_INTERNAL, str(error))

    def ended(self, why: str) -> None:
        """Note that nothing more will come."""
        if not self.greeted:
            raise NoGrpcError(f"error reading server preface: {why}")
        self.answer = self.answer or Answer(_UNAVAILABLE, f"error reading from server: {why}")

    def _note(self, event: Event) -> None:
        match event:
            case RemoteSettingsChanged():
                self.greeted = True
            case ResponseReceived(headers=headers) | TrailersReceived(headers=headers):
                self._headers |= {_text(name): _text(value) for name, value in headers or ()}
            case DataReceived(data=data, stream_id=stream):
                self._body = (self._body + (data or b""))[:_MOST]
                self._h2.acknowledge_received_data(event.flow_controlled_length or 0, stream)
            case StreamEnded():
                message = self._headers.get("grpc-message", "")
                self._headers["grpc-message"] = unquote(message)
                self.answer = answer_of(self._headers, self._body)
            case StreamReset(error_code=code) | ConnectionTerminated(error_code=code):
                known = code in ErrorCodes.__members__.values()
                name = ErrorCodes(code or 0).name if known else str(code)
                text = f"stream terminated by RST_STREAM with error code: {name}"
                self.answer = self.answer or Answer(_UNAVAILABLE, text)


def _text(value: str | bytes) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else value


async def carry_out(
    call: HealthCall, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> Answer:
    """Send and receive until there is an answer."""
    while call.answer is None:
        writer.write(call.to_send())
        try:
            data = await reader.read(_MOST)
        except OSError as error:
            call.ended((error.strerror or "EOF").lower())
            continue
        if data:
            call.feed(data)
        else:
            call.ended("EOF")
    writer.write(call.to_send())
    return call.answer
