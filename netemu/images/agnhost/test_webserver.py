"""`test-webserver`: serve the files of this container."""

from __future__ import annotations

import os
from urllib.parse import quote

from netemu.images.flags import Command, Flag, Flags
from netemu.images.http import Request, Response
from netemu.images.serving import Server

_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
}
_LARGEST = 64 << 20


def answer(request: Request) -> Response:
    path = os.path.normpath("/" + request.path.lstrip("/"))
    try:
        if not os.path.isdir(path):
            return _file(path)
        if not request.path.endswith("/"):
            return Response(301, headers=(("Location", quote(f"{path}/")),))
        index = os.path.join(path, "index.html")
        return _file(index) if os.path.exists(index) else _listing(path)
    except PermissionError:
        return Response(403, b"403 Forbidden\n")
    except OSError:
        return Response(404, b"404 page not found\n")


def _file(path: str) -> Response:
    with open(path, "rb") as file:
        content = file.read(_LARGEST)
    kind = _TYPES.get(os.path.splitext(path)[1])
    if kind is None:
        text = b"\0" not in content[:512]
        kind = "text/plain; charset=utf-8" if text else "application/octet-stream"
    return Response(200, content, kind)


def _listing(path: str) -> Response:
    with os.scandir(path) as entries:
        names = sorted(f"{e.name}/" if e.is_dir() else e.name for e in entries)
    lines = [f'<a href="{quote(name)}">{_escaped(name)}</a>\n' for name in names]
    page = f"<pre>\n{''.join(lines)}</pre>\n"
    return Response(200, page.encode(errors="replace"), "text/html; charset=utf-8")


def _escaped(text: str) -> str:
    # The module `html` brings a table of two thousand entities into every container.
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _run(flags: Flags, rest: list[str]) -> int:
    del rest
    server = Server(answer, lambda *_: None, slow=lambda _: True)
    server.end_on_sigterm(after_s=0)
    server.listen_tcp(flags.number("port"))
    server.run()
    return 0


COMMAND = Command("Serves this container's files", _run, {"port": Flag(80, "Port number")})
