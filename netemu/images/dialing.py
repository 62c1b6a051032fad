"""Calling other servers: one HTTP GET or one datagram, and what came back."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl  # Who speaks TLS has imported it.

_MOST = 4 << 20


def get(host: str, port: int, path: str, *, timeout_s: float) -> str:
    """Return the body of `http://host:port/path`, whatever the status."""
    return fetch(host, port, path, timeout_s=timeout_s)[1].decode(errors="replace")


def fetch(
    host: str,
    port: int,
    path: str,
    *,
    timeout_s: float,
    headers: Mapping[str, str] | None = None,
    tls: ssl.SSLContext | None = None,
) -> tuple[int, bytes]:
    """Return status and body of one GET; OSError or ValueError if there are none."""
    target = path if path.startswith("/") else f"/{path}"
    lines = {"Host": f"{host}:{port}", "Connection": "close", **(headers or {})}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    with contextlib.ExitStack() as stack:
        connection = stack.enter_context(socket.create_connection((host, port), timeout_s))
        if tls is not None:
            wrapped = tls.wrap_socket(connection, server_hostname=host)
            connection = stack.enter_context(wrapped)
        connection.sendall(f"GET {target} HTTP/1.1\r\n{head}\r\n".encode())
        answer = b""
        while len(answer) < _MOST and (data := connection.recv(65536)):
            answer += data
    head_bytes, separator, body = answer.partition(b"\r\n\r\n")
    words = head_bytes.split(None, 2)
    if not separator or len(words) < 2 or not words[1].isdigit():
        raise ConnectionResetError("the answer is no HTTP")
    if b"transfer-encoding: chunked" in head_bytes.lower():
        body = _join_chunks(body)
    return int(words[1]), body


def _join_chunks(body: bytes) -> bytes:
    joined = b""
    while True:
        size, _, rest = body.partition(b"\r\n")
        length = int(size.split(b";")[0] or b"0", 16)
        if length == 0:
            return joined
        joined += rest[:length]
        body = rest[length + 2 :]


def ask_by_datagram(host: str, port: int, text: str, *, timeout_s: float) -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as handle:
        handle.settimeout(timeout_s)
        # Connected, so that an ICMP "port unreachable" is heard at once.
        handle.connect((host, port))
        handle.send(text.encode())
        return handle.recv(65535).decode(errors="replace")
