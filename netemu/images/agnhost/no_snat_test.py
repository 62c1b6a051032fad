"""`no-snat-test`: does this Pod's own address arrive elsewhere, or another?"""

from __future__ import annotations

import os
import socket

from netemu.images.dialing import get
from netemu.images.flags import Command, Flag, Flags
from netemu.images.http import Request, Response
from netemu.images.serving import Server

_TIMEOUT_S = 10.0


class _NoAddressError(Exception):
    """A variable that must be there is not, or is no address."""


def _run(flags: Flags, rest: list[str]) -> int:
    del rest
    try:
        pod, node = (_address(name) for name in ("POD_IP", "NODE_IP"))
    except _NoAddressError as error:
        os.write(2, f"{error}\n".encode())
        return 1

    def answer(request: Request) -> Response:
        if request.path == "/whoami":
            return Response(200, request.client.encode())
        if request.path != "/checknosnat":
            return Response(404, b"404 page not found\n")
        targets = request.parameters().get("ips", "").split(",")
        errors = [error for target in targets if (error := _check(target, pod, node))]
        return Response(500 if errors else 200, ", ".join(errors).encode())

    server = Server(answer, lambda *_: None, slow=lambda request: request.path != "/whoami")
    server.end_on_sigterm(after_s=0)
    server.listen_tcp(flags.number("port"))
    server.run()
    return 0


def _address(name: str) -> str:
    text = os.environ.get(name)
    if text is None:
        raise _NoAddressError(f"{name} env var was not present in the environment")
    try:
        socket.inet_aton(text)
    except OSError:
        raise _NoAddressError(
            f'{name} env var contained "{text}", which is not an IP address'
        ) from None
    return text


def _check(target: str, pod: str, node: str) -> str:
    """Return what is wrong with the address that `target` sees, or nothing."""
    host, _, port = target.partition(":")
    try:
        seen = get(host, int(port or 80), "/whoami", timeout_s=_TIMEOUT_S).split(":")[0]
    except (OSError, ValueError) as error:
        return f'Get "http://{target}/whoami": {error}'
    return judge(seen, pod, node)


def judge(seen: str, pod: str, node: str) -> str:
    if seen == pod:
        return ""
    text = f'Returned ip "{seen}" != my Pod ip "{pod}"'
    if seen == node:
        return f'{text}, == my Node ip "{node}" - SNAT'
    return (
        f'{text} or my Node ip "{node}" - SNAT to unexpected ip (possible SNAT through '
        "unexpected interface on the way into another node)"
    )


COMMAND = Command(
    "Serves /whoami and /checknosnat: is this Pod seen by its own address?",
    _run,
    {"port": Flag(8080, "Port number")},
)
