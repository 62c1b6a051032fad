"""`netexec`: an HTTP and UDP server that says where it is, and calls others when told."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import ssl
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from urllib.parse import unquote_plus

from netemu.images.dialing import ask_by_datagram, get
from netemu.images.flags import Command, Flag, Flags, seconds
from netemu.images.http import Request, Response
from netemu.images.serving import Peer, Server

_DIAL_TIMEOUT_S = 5.0
_SLOW = ("/dial", "/shell", "/exit", "/upload")


class NetExec:
    """The answers; each path is a method."""

    def __init__(self, *, override: str = "") -> None:
        self._override = override
        self._paths: dict[str, Callable[[Request, dict[str, str]], Response]] = {
            "/": _now,
            "/clientip": lambda request, _: _text(request.client),
            "/dial": _dial,
            "/echo": _echo,
            "/exit": _exit,
            "/header": lambda request, query: _text(
                request.headers.get(query.get("key", "").lower(), "")
            ),
            "/healthz": self._healthz,
            "/hostName": lambda _, __: _text(socket.gethostname()),
            "/hostname": lambda _, __: _text(socket.gethostname()),
            "/redirect": _redirect,
            "/serverport": lambda request, _: _text(str(request.port)),
            "/shell": _shell,
            "/shutdown": _shutdown,
            "/upload": _upload,
        }
        self.udp_serves = False

    def answer(self, request: Request) -> Response:
        if self._override:
            request.path, _, request.query = self._override.partition("?")
        _log(f"{request.client} {request.method} {request.target}")
        handler = self._paths.get(request.path, _now)
        return handler(request, request.parameters())

    def is_slow(self, request: Request) -> bool:
        return request.path in _SLOW and not self._override

    def answer_datagram(self, data: bytes, peer: Peer, port: int) -> bytes | None:
        del port
        text = data.decode(errors="replace").strip()
        command, _, rest = text.partition(" ")
        _log(f"{peer[0]}:{peer[1]} udp {text[:200]}")
        match command.lower():
            case "hostname":
                return socket.gethostname().encode()
            case "echo":
                return rest.encode()
            case "clientip":
                return f"{peer[0]}:{peer[1]}".encode()
        return None

    def _healthz(self, request: Request, query: dict[str, str]) -> Response:
        del request, query
        return Response(200 if self.udp_serves else 412)


def _text(text: str) -> Response:
    return Response(200, text.encode())


def _now(request: Request, query: dict[str, str]) -> Response:
    del request, query
    return _text(f"NOW: {datetime.now(UTC):%Y-%m-%d %H:%M:%S.%f} +0000 UTC")


def _echo(request: Request, query: dict[str, str]) -> Response:
    del request
    code = query.get("code", "200")
    if not code.isdigit() or not 200 <= int(code) <= 599:
        return Response(400, f"argument 'code' must be an HTTP status, not {code!r}\n".encode())
    return Response(int(code), query.get("msg", "").encode())


def _redirect(request: Request, query: dict[str, str]) -> Response:
    del request
    code = query.get("code", "302")
    if not code.isdigit() or not query.get("location"):
        return Response(400, b"arguments 'location' and 'code' are needed\n")
    return Response(int(code), headers=(("Location", query["location"]),))


def _dial(request: Request, query: dict[str, str]) -> Response:
    del request
    host, port, wanted = query.get("host", ""), query.get("port", ""), query.get("request", "")
    protocol = query.get("protocol", "http").lower()
    tries = query.get("tries", "1")
    for name, value in (("host", host), ("port", port), ("request", wanted)):
        if not value:
            return Response(400, f"no {name} specified\n".encode())
    if protocol not in ("http", "udp") or not port.isdigit() or not tries.isdigit():
        return Response(400, f"unsupported protocol {protocol}, port or tries\n".encode())
    responses: list[str] = []
    errors: list[str] = []
    for _ in range(int(tries)):
        try:
            responses.append(_dial_once(protocol, host, int(port), unquote_plus(wanted)))
        except (OSError, ValueError) as error:
            errors.append(str(error))
    told = {"responses": responses, "errors": errors}
    return _json({name: texts for name, texts in told.items() if texts})


def _dial_once(protocol: str, host: str, port: int, wanted: str) -> str:
    ask = get if protocol == "http" else ask_by_datagram
    return ask(host, port, wanted, timeout_s=_DIAL_TIMEOUT_S)


def _json(content: Mapping[str, object]) -> Response:
    return Response(200, json.dumps(content, separators=(",", ":")).encode(), "application/json")


def _shell(request: Request, query: dict[str, str]) -> Response:
    del request
    command = query.get("cmd") or query.get("shellCommand", "")
    done = subprocess.run(
        ["/bin/sh", "-c", command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )
    told: dict[str, object] = {}
    if done.stdout:
        told["output"] = done.stdout.decode(errors="replace")
    if done.returncode:
        told["error"] = f"exit status {done.returncode}"
    return _json(told)


def _upload(request: Request, query: dict[str, str]) -> Response:
    del query
    if request.method != "POST":
        return Response(405, b"POST a form with a file\n")
    os.makedirs("/uploads", exist_ok=True)
    fd, path = tempfile.mkstemp(prefix="upload", dir="/uploads")
    with os.fdopen(fd, "wb") as file:
        file.write(_first_file(request))
    os.chmod(path, 0o700)
    return _json({"output": path})


def _first_file(request: Request) -> bytes:
    """Return the first part of a multipart form, or the whole body if it is none."""
    _, marker, boundary = request.headers.get("content-type", "").partition("boundary=")
    if not marker:
        return request.body
    delimiter = b"--" + boundary.strip('"').encode()
    part = request.body.split(delimiter)[1]
    return part.partition(b"\r\n\r\n")[2].removesuffix(b"\r\n")


def _exit(request: Request, query: dict[str, str]) -> Response:
    """End after `wait`, open connections or not: `timeout` has nothing to wait for."""
    del request
    time.sleep(seconds(query.get("wait", "")))
    code = query.get("code", "0")
    os._exit(int(code) if code.isdigit() else 1)


def _shutdown(request: Request, query: dict[str, str]) -> Response:
    del request, query
    os._exit(0)


def _log(line: str) -> None:
    with contextlib.suppress(OSError):
        os.write(1, line.encode(errors="replace") + b"\n")


def _run(flags: Flags, rest: list[str]) -> int:
    del rest
    if flags.number("sctp-port") != -1:
        os.write(2, b"netexec: --sctp-port: this agnhost speaks TCP and UDP; leave it out\n")
        return 1
    net_exec = NetExec(override=flags.text("http-override"))
    server = Server(net_exec.answer, net_exec.answer_datagram, slow=net_exec.is_slow)
    server.end_on_sigterm(after_s=flags.number("delay-shutdown"))
    try:
        _listen(server, flags)
    except OSError as error:
        os.write(2, f"netexec: cannot listen: {error.strerror or error}\n".encode())
        return 1
    net_exec.udp_serves = flags.number("udp-port") != -1
    server.run()
    return 0


def _listen(server: Server, flags: Flags) -> None:
    if (port := flags.number("udp-port")) != -1:
        for address in flags.text("udp-listen-addresses").split(","):
            server.listen_udp(port, address)
    for address in flags.text("http-listen-addresses").split(","):
        server.listen_tcp(flags.number("http-port"), address, tls=_tls(flags))


def _tls(flags: Flags) -> ssl.SSLContext | None:
    if not flags.text("tls-cert-file"):
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(flags.text("tls-cert-file"), flags.text("tls-private-key-file"))
    return context


COMMAND = Command(
    "Serves HTTP(S) and UDP: says where it is, and calls others when told",
    _run,
    {
        "http-port": Flag(8080, "HTTP port"),
        "http-listen-addresses": Flag("", "Addresses for HTTP, joined by commas"),
        "http-override": Flag("", "Answer every request as if it were a GET of this path"),
        "udp-port": Flag(8081, "UDP port; -1: none"),
        "udp-listen-addresses": Flag("", "Addresses for UDP, joined by commas"),
        "sctp-port": Flag(-1, "Not served here: leave it at -1"),
        "delay-shutdown": Flag(0, "Seconds to serve on after SIGTERM"),
        "tls-cert-file": Flag("", "An x509 certificate: HTTP becomes HTTPS"),
        "tls-private-key-file": Flag("", "Its private key"),
    },
)
