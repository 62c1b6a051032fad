"""Real packets, and what became of them.

Each function sends from the network namespace that the calling thread is in and
returns an `Outcome`; nothing that a network does is an exception here.
"""

from __future__ import annotations

import contextlib
import errno
import http.client
import ipaddress
import os
import socket
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import urlsplit

from netemu.lab.resolver import NameNotFoundError, ResolvConf, lookup

_BODY_BYTES = 64 << 10


class Result(StrEnum):
    """How a probe ended."""

    OK = "ok"
    REFUSED = "refused"
    TIMEOUT = "timeout"
    UNREACHABLE = "unreachable"
    RESET = "reset"
    NO_NAME = "no-name"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one probe saw."""

    result: Result
    seconds: float
    status: int = 0
    """HTTP status; 0 where there is none."""
    body: str = ""
    """What was answered: a body, an echoed datagram, DNS records a line each."""
    detail: str = ""

    def __str__(self) -> str:
        status = f" {self.status}" if self.status else ""
        said = f": {self.detail}" if self.detail else ""
        return f"{self.result}{status}{said}"


@dataclass(frozen=True, slots=True)
class Names:
    """How the sender turns names into addresses."""

    conf: ResolvConf
    known: dict[str, str]
    """Names that need no question: nodes and `host`."""

    def address(self, name: str) -> str:
        """Return an IPv4 address; NameNotFoundError if there is none."""
        if name in self.known:
            return self.known[name]
        try:
            return str(ipaddress.ip_address(name))
        except ValueError:
            return lookup(name, self.conf).records[0]


class HttpAsker:
    """Fetches one URL again and again: each time over a new connection, or over one that is kept.

    A kept connection that turns out to be closed when it is used again is replaced by a
    new one, as every HTTP client does with a GET; that is no failure.
    """

    def __init__(
        self, url: str, names: Names, *, timeout_s: float, keep_alive: bool = False
    ) -> None:
        self._parts = urlsplit(url)
        self._names = names
        self._timeout_s = timeout_s
        self._keep_alive = keep_alive
        self._kept: http.client.HTTPConnection | None = None

    def ask(self) -> Outcome:
        began = time.monotonic()

        def fetch() -> Outcome:
            status, body = self._once()
            return Outcome(Result.OK, time.monotonic() - began, status=status, body=body)

        return _judged(fetch)

    def _once(self) -> tuple[int, str]:
        if self._kept is not None:
            with contextlib.suppress(ConnectionError):
                return self._exchange(self._kept)
        address = self._names.address(self._parts.hostname or "")
        connection = http.client.HTTPConnection(
            address, self._parts.port or 80, timeout=self._timeout_s
        )
        return self._exchange(connection)

    def _exchange(self, connection: http.client.HTTPConnection) -> tuple[int, str]:
        self._kept = None
        parts = self._parts
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        headers = {"Host": parts.netloc}
        if not self._keep_alive:
            headers["Connection"] = "close"
        try:
            connection.request("GET", path, headers=headers)
            response = connection.getresponse()
            body = response.read(_BODY_BYTES).decode(errors="replace").strip()
            if self._keep_alive and not response.will_close:
                self._kept = connection
        finally:
            if self._kept is None:
                connection.close()
        return response.status, body


def http_get(url: str, names: Names, *, timeout_s: float) -> Outcome:
    """Fetch a URL over a connection of its own."""
    return HttpAsker(url, names, timeout_s=timeout_s).ask()


def tcp_connect(host: str, port: int, names: Names, *, timeout_s: float) -> Outcome:
    """Open and close a TCP connection."""

    def connect() -> Outcome:
        began = time.monotonic()
        with socket.create_connection((names.address(host), port), timeout_s):
            return Outcome(Result.OK, time.monotonic() - began)

    return _judged(connect)


def udp_exchange(host: str, port: int, text: str, names: Names, *, timeout_s: float) -> Outcome:
    """Send one datagram from a port of its own and wait for one back."""

    def exchange() -> Outcome:
        began = time.monotonic()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            udp.settimeout(timeout_s)
            udp.connect((names.address(host), port))
            udp.send(text.encode())
            body = udp.recv(65535).decode(errors="replace").strip()
        return Outcome(Result.OK, time.monotonic() - began, body=body)

    return _judged(exchange)


def dns_query(name: str, type: str, names: Names) -> Outcome:
    """Resolve a name as the sender's C library would."""

    def ask() -> Outcome:
        began = time.monotonic()
        found = lookup(name, names.conf, type=type)
        taken = time.monotonic() - began
        return Outcome(Result.OK, taken, body="\n".join(found.records), detail=found.asked[-1])

    return _judged(ask)


def ping(host: str, names: Names, *, timeout_s: float, size_bytes: int = 56) -> Outcome:
    """Send one ICMP echo request and wait for its reply."""

    def echo() -> Outcome:
        address = names.address(host)
        began = time.monotonic()
        deadline = began + timeout_s
        identity = os.urandom(4)
        with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as raw:
            raw.connect((address, 0))
            raw.send(_echo_request(identity, size_bytes))
            while True:
                raw.settimeout(max(0.001, deadline - time.monotonic()))
                packet = raw.recv(65535)
                message = packet[(packet[0] & 0xF) * 4 :]
                if message[0] == 0 and message[4:8] == identity:
                    return Outcome(Result.OK, time.monotonic() - began)
                if message[0] == 3 and identity in message:
                    return Outcome(Result.UNREACHABLE, time.monotonic() - began)

    return _judged(echo)


def _echo_request(identity: bytes, size_bytes: int) -> bytes:
    body = identity + bytes(size_bytes)
    head = struct.pack("!BBH", 8, 0, _checksum(struct.pack("!BBH", 8, 0, 0) + body))
    return head + body


def _checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071)."""
    padded = data + b"\0" * (len(data) % 2)
    total: int = sum(struct.unpack(f"!{len(padded) // 2}H", padded))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def _judged(probe: Callable[[], Outcome]) -> Outcome:
    """Run a probe and give what stopped it its name."""
    began = time.monotonic()
    try:
        return probe()
    except NameNotFoundError as error:
        return Outcome(Result.NO_NAME, time.monotonic() - began, detail=str(error))
    except TimeoutError:
        return Outcome(Result.TIMEOUT, time.monotonic() - began)
    except ConnectionRefusedError:
        return Outcome(Result.REFUSED, time.monotonic() - began)
    except (ConnectionResetError, BrokenPipeError, http.client.HTTPException) as error:
        return Outcome(Result.RESET, time.monotonic() - began, detail=str(error))
    except OSError as error:
        if error.errno not in (errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EACCES, errno.EPERM):
            raise
        detail = os.strerror(error.errno)
        return Outcome(Result.UNREACHABLE, time.monotonic() - began, detail=detail)
