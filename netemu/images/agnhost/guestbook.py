"""`guestbook`: a web application of three tiers: a front end, a primary, its replicas.

/guestbook?cmd=set&key=k&value=v    the front end asks agnhost-primary, to get: agnhost-replica
/set, /get                          a back end's own store; the primary tells its replicas
/register?host=ADDRESS              a replica introduces itself and gets the whole store
"""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from urllib.parse import urlencode

from netemu.images.dialing import get
from netemu.images.flags import Command, Flag, Flags
from netemu.images.http import Request, Response
from netemu.images.serving import Server

_DIAL_S = 5.0
_REGISTER_WITHIN_S = 15.0
_RETRY_S = 1.0


class Guestbook:
    """One tier: each has all paths."""

    def __init__(self, backend_port: int) -> None:
        self._port = backend_port
        self._store: dict[str, str] = {}
        self._replicas: list[str] = []

    def answer(self, request: Request) -> Response:
        query = request.parameters()
        key, value = query.get("key", ""), query.get("value", "")
        match request.path:
            case "/register":
                self._replicas.append(query.get("host", ""))
                return _told({"data": self._store})
            case "/get":
                return _told({"data": self._store.get(key, "") if key else self._store})
            case "/set":
                return self._set(key, value)
            case "/guestbook":
                return self._pass_on(query.get("cmd", "").lower(), key, value)
        return Response(404, b"404 page not found\n")

    def _set(self, key: str, value: str) -> Response:
        if not key:
            return Response(400, b"cannot set with empty key.\n")
        self._store[key] = value
        for replica in self._replicas:
            try:
                self._ask(replica, "set", key, value)
            except (OSError, ValueError) as error:
                text = f"encountered error while propagating to replica '{replica}': {error}\n"
                return Response(417, text.encode())
        return _told({"message": "Updated"})

    def _pass_on(self, command: str, key: str, value: str) -> Response:
        if command not in ("get", "set"):
            return Response(400, f"unsupported cmd: '{command}'\n".encode())
        if command == "set" and not key:
            return Response(400, b"cannot set with empty key.\n")
        host = "agnhost-replica" if command == "get" else "agnhost-primary"
        try:
            return Response(200, self._ask(host, command, key, value).encode())
        except (OSError, ValueError) as error:
            return Response(417, f"encountered error: {error}\n".encode())

    def _ask(self, host: str, command: str, key: str, value: str) -> str:
        path = f"/{command}?{urlencode({'key': key, 'value': value})}"
        return get(host, self._port, path, timeout_s=_DIAL_S)

    def register(self, primary: str) -> None:
        """Introduce this replica; end the process if the primary cannot be had in time."""
        ends_at = time.monotonic() + _REGISTER_WITHIN_S
        while True:
            try:
                path = f"/register?host={_address_towards(primary, self._port)}"
                told = json.loads(get(primary, self._port, path, timeout_s=_DIAL_S))
                self._store = {**told["data"], **self._store}
            except (OSError, ValueError, KeyError, TypeError) as error:
                if time.monotonic() > ends_at:
                    os.write(2, b"Timed out while registering to primary.\n")
                    os._exit(1)
                os.write(2, f"registering to primary {primary}: {error}\n".encode())
                time.sleep(_RETRY_S)
            else:
                os.write(2, f"Registered to node: {primary}\n".encode())
                return


def _address_towards(host: str, port: int) -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as handle:
        handle.connect((host, port))  # Sends nothing: it only chooses a route.
        return str(handle.getsockname()[0])


def _told(content: object) -> Response:
    return Response(200, json.dumps(content, separators=(",", ":")).encode())


def _run(flags: Flags, rest: list[str]) -> int:
    del rest
    book = Guestbook(flags.number("backend-port"))
    server = Server(book.answer, lambda *_: None, slow=lambda _: True)
    server.end_on_sigterm(after_s=0)
    server.listen_tcp(flags.number("http-port"))
    if primary := flags.text("replicaof"):
        threading.Thread(target=book.register, args=(primary,), daemon=True).start()
    server.run()
    return 0


COMMAND = Command(
    "Serves a guestbook: a front end, a primary that stores, its replicas",
    _run,
    {
        "http-port": Flag(80, "HTTP port"),
        "backend-port": Flag(6379, "HTTP port of primary and replicas"),
        "replicaof": Flag("", "The primary that this one is a replica of"),
    },
)
