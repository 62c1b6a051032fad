"""`serve-hostname`: answer everything with the host's name, on HTTP, or on TCP and UDP."""

from __future__ import annotations

import os
import socket

from netemu.images.flags import UnknownFlag, parse_flags
from netemu.images.http import Request, Response
from netemu.images.serving import Peer, Server

_FLAGS = {"http": "true", "tcp": "false", "udp": "false", "port": "9376", "close": "false"}
_LINGER_S = 60.0


def run(args: list[str]) -> int:
    try:
        flags, _ = parse_flags(args, _FLAGS)
    except UnknownFlag as error:
        os.write(2, f"Error: {error}\n".encode())
        return 1
    on = {name for name, value in flags.items() if value == "true"}
    plain = on & {"tcp", "udp"}
    name = socket.gethostname().encode()

    def answer(request: Request) -> Response:
        request.keep_alive = request.keep_alive and "close" not in on
        return Response(200, name)

    def answer_datagram(data: bytes, peer: Peer, port: int) -> bytes:
        del data, peer, port
        return name

    raw = (lambda _: name) if plain else None
    server = Server(answer, answer_datagram, raw=raw)
    server.end_on_sigterm(after_s=_LINGER_S)
    if not plain or "tcp" in plain:
        server.listen_tcp(int(flags["port"]))
    if "udp" in plain:
        server.listen_udp(int(flags["port"]))
    server.run()
    return 0


COMMAND = run
