"""`no-snat-test-proxy`: pass a question on to a `no-snat-test` that only Pods can reach."""

from __future__ import annotations

from netemu.images.dialing import fetch
from netemu.images.flags import Command, Flag, Flags
from netemu.images.http import Request, Response
from netemu.images.serving import Server

_TIMEOUT_S = 30.0


def answer(request: Request) -> Response:
    if request.path != "/checknosnat":
        return Response(404, b"404 page not found\n")
    query = request.parameters()
    host, _, port = query.get("target", "").partition(":")
    path = f"/checknosnat?ips={query.get('ips', '')}"
    try:
        status, body = fetch(host, int(port or 80), path, timeout_s=_TIMEOUT_S)
    except (OSError, ValueError) as error:
        return Response(500, f"error proxying request: {error}".encode())
    return Response(status, body)


def _run(flags: Flags, rest: list[str]) -> int:
    del rest
    server = Server(answer, lambda *_: None, slow=lambda _: True)
    server.end_on_sigterm(after_s=0)
    server.listen_tcp(flags.number("port"))
    server.run()
    return 0


COMMAND = Command(
    "Passes /checknosnat on to the no-snat-test that is named by target=",
    _run,
    {"port": Flag(31235, "Port number")},
)
