"""`porter`: serve the text of `SERVE_PORT_n` on port n, for every such variable."""

from __future__ import annotations

import os
import re
import ssl
from collections.abc import Iterator, Mapping

from netemu.images.flags import Command, Flags
from netemu.images.http import Request, Response
from netemu.images.serving import Server

_NAME = re.compile(r"SERVE_(?P<kind>TLS_|SCTP_)?PORT_(?P<port>[0-9]+)")


def _say_nothing(*_: object) -> None:
    """Answer no datagram."""


def _run(flags: Flags, rest: list[str]) -> int:
    del flags, rest
    texts: dict[int, bytes] = {}

    def answer(request: Request) -> Response:
        return Response(200, texts[request.port])

    server = Server(answer, _say_nothing)
    server.end_on_sigterm(after_s=0)
    for port, text, kind in _wanted(os.environ):
        texts[port] = text
        if kind == "SCTP_":
            raise OSError(0, f"SERVE_SCTP_PORT_{port}: this agnhost speaks TCP only")
        server.listen_tcp(port, tls=_tls() if kind else None)
    server.run()
    return 0


def _wanted(variables: Mapping[str, str]) -> Iterator[tuple[int, bytes, str]]:
    for name, value in variables.items():
        if found := _NAME.fullmatch(name):
            yield int(found["port"]), value.encode(), found["kind"] or ""


def _tls() -> ssl.SSLContext:
    files = [os.environ.get(name, "") for name in ("CERT_FILE", "KEY_FILE")]
    if not all(files):
        raise OSError(0, "SERVE_TLS_PORT_n: name a certificate and its key in CERT_FILE, KEY_FILE")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*files)
    return context


COMMAND = Command("Serves the text of SERVE_PORT_n on port n, of SERVE_TLS_PORT_n by TLS", _run)
