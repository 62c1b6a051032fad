"""`porter`: serve the text of `SERVE_PORT_n` on port n, for every such variable."""

from __future__ import annotations

import os

from netemu.images.http import Request, Response
from netemu.images.serving import Server

_PREFIX = "SERVE_PORT_"


def _say_nothing(*_: object) -> None:
    """Answer no datagram."""


def run(args: list[str]) -> int:
    del args
    texts = {
        int(name.removeprefix(_PREFIX)): value.encode()
        for name, value in os.environ.items()
        if name.startswith(_PREFIX) and name.removeprefix(_PREFIX).isdigit()
    }

    def answer(request: Request) -> Response:
        return Response(200, texts[request.port])

    server = Server(answer, _say_nothing)
    server.end_on_sigterm(after_s=0)
    for port in texts:
        server.listen_tcp(port)
    server.run()
    return 0


COMMAND = run
