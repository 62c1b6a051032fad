"""`net`: the two ends of a connection that one of them has half closed.

    net --runner nat-closewait-server --options '{"LocalAddr": ":9999"}'
    net --runner nat-closewait-client --options '{"RemoteAddr": "10.96.0.80:9999"}'
    net --serve :8889         the same by POST /run/RUNNER, the options being the body

The server ends its half and keeps the other open; the client is left in CLOSE_WAIT, and
connection tracking must not forget it.
"""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Callable, Mapping
from typing import Any

from netemu.images.flags import Command, Flag, Flags
from netemu.images.http import Request, Response
from netemu.images.serving import Server

Log = Callable[[str], None]
_leaked: list[socket.socket] = []
"""Connections that are to stay as long as the process does."""


class RunnerError(Exception):
    """The run has not come out as it should."""


def _serve_half(options: Mapping[str, Any], log: Log) -> None:
    wait_s = _number(options, "PostFinTimeoutSeconds")
    with socket.create_server(_address(options, "LocalAddr")) as listener:
        log(f"Server listening on {options['LocalAddr']}")
        connection, _ = listener.accept()
        with connection:
            log("Client connected")
            connection.shutdown(socket.SHUT_WR)
            log(f"Server sent FIN, waiting {wait_s} seconds")
            time.sleep(wait_s)
    log("Done")


def _be_half_closed(options: Mapping[str, Any], log: Log) -> None:
    timeout_s = _number(options, "TimeoutSeconds") or None
    wait_s = _number(options, "PostFinTimeoutSeconds")
    connection = socket.create_connection(_address(options, "RemoteAddr"))
    try:
        log("Connected to server")
        connection.settimeout(timeout_s)
        if connection.recv(1):
            raise RunnerError("Got data but expected EOF")
        log(f"Server has half-closed the connection, waiting {wait_s} seconds")
        if options.get("LeakConnection"):
            log("Leaking client connection")
            _leaked.append(connection)
        time.sleep(wait_s)
    finally:
        if connection not in _leaked:
            connection.close()
    log("Done")


_RUNNERS: dict[str, Callable[[Mapping[str, Any], Log], None]] = {
    "nat-closewait-client": _be_half_closed,
    "nat-closewait-server": _serve_half,
}


def _address(options: Mapping[str, Any], name: str) -> tuple[str, int]:
    host, _, port = str(options.get(name, "")).rpartition(":")
    if not port.isdecimal():
        raise RunnerError(f'{name}: "{options.get(name, "")}" is not HOST:PORT')
    return host, int(port)


def _number(options: Mapping[str, Any], name: str) -> int:
    value = options.get(name, 0)
    if not isinstance(value, int) or value < 0:
        raise RunnerError(f"{name}: {value!r} is no number of seconds")
    return value


def carry_out(name: str, text: str, log: Log) -> None:
    """Run what is named; RunnerError or OSError says what went wrong."""
    if name not in _RUNNERS:
        raise RunnerError(f'no runner "{name}"; there are: {", ".join(sorted(_RUNNERS))}')
    try:
        options = json.loads(text or "{}")
    except ValueError as error:
        raise RunnerError(f"invalid options: {error}") from error
    if not isinstance(options, dict):
        raise RunnerError("invalid options: a JSON object is wanted")
    _RUNNERS[name](options, log)


def answer(request: Request) -> Response:
    name = request.path.removeprefix("/run/")
    if name == request.path or request.method != "POST":
        return Response(404, b"404 page not found\n")
    lines: list[str] = []
    try:
        carry_out(name, request.body.decode(errors="replace"), lines.append)
    except (RunnerError, OSError) as error:
        return Response(400, "\n".join([*lines, f"error: {error}", ""]).encode())
    return Response(200, "\n".join([*lines, "ok", ""]).encode())


def _run(flags: Flags, rest: list[str]) -> int:
    del rest
    if flags.text("serve"):
        return _serve(flags.text("serve"))
    if not flags.text("runner"):
        os.write(2, b"net: give --runner, or --serve\n")
        return 1
    try:
        carry_out(flags.text("runner"), flags.text("options"), _print)
    except (RunnerError, OSError) as error:
        os.write(2, f"net: {error}\n".encode())
        return 1
    return 0


def _print(line: str) -> None:
    os.write(2, f"{line}\n".encode())


def _serve(where: str) -> int:
    host, _, port = where.rpartition(":")
    if not port.isdecimal():
        os.write(2, f'net: --serve: "{where}" is not HOST:PORT or :PORT\n'.encode())
        return 1
    server = Server(answer, lambda *_: None, slow=lambda _: True)
    server.end_on_sigterm(after_s=0)
    server.listen_tcp(int(port), host)
    server.run()
    return 0


COMMAND = Command(
    "Holds a half-closed connection: runners nat-closewait-server, nat-closewait-client",
    _run,
    {
        "runner": Flag("", "What to run"),
        "options": Flag("", "Its options, as JSON"),
        "serve": Flag("", "Address to serve POST /run/RUNNER on, such as :8889"),
    },
)
