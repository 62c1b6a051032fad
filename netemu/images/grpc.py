"""gRPC's health protocol as a server, for images that must answer it (HTTP/2, cleartext).

The HTTP/2 library costs more than a whole stand-in. So this is not preloaded: who needs it
names one of the entry points below, and it is imported before the container is entered.
"""

from __future__ import annotations

from collections.abc import Callable

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, Event, RequestReceived, StreamEnded, StreamReset
from h2.exceptions import ProtocolError

from netemu.core.grpc_health import (
    CHECK,
    CONTENT_TYPE,
    NOT_FOUND,
    UNIMPLEMENTED,
    Health,
    framed,
    response_of,
    service_of,
    unframed,
)
from netemu.images import agnhost as agnhost_image
from netemu.images import standin as stand_in_image
from netemu.images.serving import Port

Check = Callable[[str], Health | None]
"""From a service's name to its health; None if it is unknown."""

_MOST = 4 << 10
_INVALID_ARGUMENT = 3


class HealthConnection:
    """One client's connection: bytes in, bytes out."""

    def __init__(self, check: Check, log: Callable[[str], None]) -> None:
        self._check = check
        self._log = log
        self._calls: dict[int, tuple[str, bytes]] = {}
        """By stream: the path, and the body so far."""
        self._h2 = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
        self._h2.initiate_connection()
        self.closing = False

    def feed(self, data: bytes) -> bytes:
        """Take what came; return what is to be sent."""
        try:
            for event in self._h2.receive_data(data):
                self._note(event)
        except (ProtocolError, ValueError):
            self.closing = True
        return bytes(self._h2.data_to_send())

    def _note(self, event: Event) -> None:
        match event:
            case RequestReceived(stream_id=int(stream), headers=headers):
                path = next((str(v) for name, v in headers or () if str(name) == ":path"), "")
                self._calls[stream] = (path, b"")
            case DataReceived(stream_id=int(stream), data=data):
                path, body = self._calls.get(stream, ("", b""))
                self._calls[stream] = (path, (body + (data or b""))[:_MOST])
                self._h2.acknowledge_received_data(event.flow_controlled_length or 0, stream)
            case StreamEnded(stream_id=int(stream)):
                self._answer(stream, *self._calls.pop(stream, ("", b"")))
            case StreamReset(stream_id=int(stream)):
                self._calls.pop(stream, None)

    def _answer(self, stream: int, path: str, body: bytes) -> None:
        if path != CHECK:
            self._refuse(stream, UNIMPLEMENTED, f"unknown method {path}")
            return
        try:
            service = service_of(unframed(body))
        except ValueError as error:
            self._refuse(stream, _INVALID_ARGUMENT, str(error))
            return
        health = self._check(service)
        self._log(f"grpc {path} {service!r} {health.name if health else 'unknown service'}")
        if health is None:
            self._refuse(stream, NOT_FOUND, "unknown service")
            return
        self._h2.send_headers(stream, [(":status", "200"), ("content-type", CONTENT_TYPE)])
        self._h2.send_data(stream, framed(response_of(health)))
        self._h2.send_headers(stream, [("grpc-status", "0")], end_stream=True)

    def _refuse(self, stream: int, code: int, text: str) -> None:
        headers = {
            ":status": "200",
            "content-type": CONTENT_TYPE,
            "grpc-status": str(code),
            "grpc-message": text.replace("%", "%25"),
        }
        self._h2.send_headers(stream, list(headers.items()), end_stream=True)


def stand_in(args: list[str]) -> int:
    """Run a stand-in that says SERVING of every service, on all its TCP ports."""
    return stand_in_image.main(args, http2=_always_serving)


def _always_serving(port: Port) -> HealthConnection:
    del port
    return HealthConnection(lambda _service: Health.SERVING, stand_in_image.log)


def agnhost(args: list[str]) -> int:
    """Run agnhost, whose gRPC subcommands find this module imported."""
    return agnhost_image.main(args)
