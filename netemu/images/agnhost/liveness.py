"""`liveness`: a server that is well for ten seconds and unwell from then on."""

from __future__ import annotations

import time

from netemu.images.flags import Command, Flags
from netemu.images.http import Request, Response
from netemu.images.serving import Server

_PORT = 8080
_WELL_S = 10.0


def answer_of(request: Request, age_s: float) -> Response:
    """Return the answer of a server of that age."""
    if request.path == "/started":
        return Response(200, f"{age_s:g}s".encode())
    if request.path == "/redirect":
        location = request.parameters().get("loc", "")
        return Response(302, headers=(("Location", location),))
    if request.path != "/healthz":
        return Response(404, b"404 page not found\n")
    if age_s > _WELL_S:
        return Response(500, f"error: {age_s:g}".encode())
    return Response(200, b"ok")


def _run(flags: Flags, rest: list[str]) -> int:
    del flags, rest
    born = time.monotonic()
    server = Server(lambda request: answer_of(request, time.monotonic() - born), lambda *_: None)
    server.end_on_sigterm(after_s=0)
    server.listen_tcp(_PORT)
    server.run()
    return 0


COMMAND = Command("Serves /healthz on 8080: well for 10 seconds, then unwell", _run)
