"""Calling other servers: one HTTP GET or one datagram, and what came back."""

from __future__ import annotations

import socket

_MOST = 4 << 20


def get(host: str, port: int, path: str, *, timeout_s: float) -> str:
    """Return the body of `http://host:port/path`, whatever the status."""
    with socket.create_connection((host, port), timeout_s) as connection:
        target = path if path.startswith("/") else f"/{path}"
        head = f"GET {target} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n"
        connection.sendall(head.encode())
        answer = b""
        while len(answer) < _MOST and (data := connection.recv(65536)):
            answer += data
    head_bytes, separator, body = answer.partition(b"\r\n\r\n")
    if not separator:
        raise ConnectionResetError("the answer is no HTTP")
    if b"transfer-encoding: chunked" in head_bytes.lower():
        body = _join_chunks(body)
    return body.decode(errors="replace")


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
