"""`serve-hostname`: answer everything with the host's name, on HTTP, or on TCP and UDP."""

from __future__ import annotations

import socket

from netemu.images.flags import Command, Flag, Flags
from netemu.images.http import Request, Response
from netemu.images.serving import Peer, Server

_LINGER_S = 60.0


def _run(flags: Flags, rest: list[str]) -> int:
    del rest
    tcp, udp = flags.on("tcp"), flags.on("udp")
    name = socket.gethostname().encode()

    def answer(request: Request) -> Response:
        request.keep_alive = request.keep_alive and not flags.on("close")
        return Response(200, name)

    def answer_datagram(data: bytes, peer: Peer, port: int) -> bytes:
        del data, peer, port
        return name

    raw = (lambda _: name) if tcp or udp else None
    server = Server(answer, answer_datagram, raw=raw)
    server.end_on_sigterm(after_s=_LINGER_S)
    if tcp or not udp:
        server.listen_tcp(flags.number("port"))
    if udp:
        server.listen_udp(flags.number("port"))
    server.run()
    return 0


COMMAND = Command(
    "Serves the hostname",
    _run,
    {
        "http": Flag(True, "Serve HTTP; not together with --tcp or --udp"),
        "tcp": Flag(False, "Serve raw over TCP"),
        "udp": Flag(False, "Serve raw over UDP"),
        "port": Flag(9376, "Port number"),
        "close": Flag(False, "Close the connection after each HTTP request"),
    },
)
