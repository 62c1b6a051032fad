"""The stand-in: what runs in the place of an image that nobody has.

    --port 80/tcp --port 53/udp   a declared port: HTTP on TCP, echo on UDP
    --linger 1.0                  seconds to serve on after SIGTERM
    --pod web-1 --node worker-1   any other option is a fact to tell

It answers with what it knows of itself and with the request that it saw, and logs
each request. A port that cannot be listened on is said in one line on stderr and in
the termination log, for the kubelet to make an event of; the others are served:

    netemu-standin: cannot listen on 80/tcp: Permission denied
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
from collections.abc import Iterable

from netemu.images.http import Request, Response
from netemu.images.serving import Http2Factory, Peer, Server

COMPLAINT = "netemu-standin: cannot listen on "
"""What the line begins with; `PORT/PROTOCOL: reason` follows."""

_DEFAULT_LINGER_S = 1.0
_TERMINATION_LOG = "/dev/termination-log"
_IPPROTO_SCTP = 132


class StandIn:
    """One container's server."""

    def __init__(self, facts: dict[str, str]) -> None:
        self._facts = facts
        self._name = facts.get("pod") or socket.gethostname()

    def answer(self, request: Request) -> Response:
        response = self._choose(request)
        log(f"{request.client} {request.method} {request.target} {response.status}")
        return response

    def _choose(self, request: Request) -> Response:
        if request.path in ("/hostname", "/hostName"):
            return Response(200, self._name.encode())
        if "application/json" in request.headers.get("accept", ""):
            return Response(200, self._as_json(request), "application/json")
        return Response(200, self._as_text(request))

    def _as_text(self, request: Request) -> bytes:
        lines = [f"{name}: {value}" for name, value in self._facts.items() if value]
        lines += [f"port: {request.port}/tcp", f"client: {request.client}", ""]
        lines.append(f"{request.method} {request.target} {request.version}")
        lines += [f"{name}: {value}" for name, value in request.headers.items()]
        return ("\n".join(lines) + "\n").encode()

    def _as_json(self, request: Request) -> bytes:
        seen = {
            "method": request.method,
            "target": request.target,
            "headers": request.headers,
            "body_bytes": len(request.body),
        }
        told = {**self._facts, "port": request.port, "client": request.client, "request": seen}
        return json.dumps(told).encode() + b"\n"

    def echo(self, data: bytes, peer: Peer, port: int) -> bytes:
        log(f"{peer[0]}:{peer[1]} {len(data)} bytes on {port}/udp, echoed")
        return data


def main(args: list[str], *, http2: Http2Factory | None = None) -> int:
    ports, linger_s, facts = parse(args)
    stand_in = StandIn(facts)
    server = Server(stand_in.answer, stand_in.echo, http2=http2)
    server.end_on_sigterm(after_s=linger_s)
    for port, protocol in ports:
        try:
            listen(server, port, protocol)
        except OSError as error:
            _complain(f"{COMPLAINT}{port}/{protocol}: {error.strerror}\n")
    server.run()
    return 0


def parse(args: Iterable[str]) -> tuple[list[tuple[int, str]], float, dict[str, str]]:
    """Return the ports, the lingering and the facts that the options say."""
    ports: list[tuple[int, str]] = []
    linger_s = _DEFAULT_LINGER_S
    facts: dict[str, str] = {}
    words = iter(args)
    for word in words:
        name, equals, value = word.removeprefix("--").partition("=")
        if not equals:
            value = next(words, "")
        if name == "port":
            number, _, protocol = value.partition("/")
            ports.append((int(number), protocol.lower() or "tcp"))
        elif name == "linger":
            linger_s = float(value)
        else:
            facts[name] = value
    return list(dict.fromkeys(ports)), linger_s, facts


def listen(server: Server, port: int, protocol: str) -> None:
    if protocol == "tcp":
        server.listen_tcp(port)
    elif protocol == "udp":
        server.listen_udp(port)
    else:
        # A kernel with SCTP would make this socket; the stand-in speaks no protocol on it.
        socket.socket(socket.AF_INET, socket.SOCK_STREAM, _IPPROTO_SCTP).close()
        raise OSError(0, f"a stand-in does not speak {protocol.upper()}")


def log(line: str) -> None:
    with contextlib.suppress(OSError):
        os.write(1, line.encode(errors="replace") + b"\n")


def _complain(line: str) -> None:
    os.write(2, line.encode())
    with contextlib.suppress(OSError):
        flags = os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC
        fd = os.open(_TERMINATION_LOG, flags)
        os.write(fd, line.encode())
        os.close(fd)
