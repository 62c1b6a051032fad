"""Doing what a probe or a lifecycle hook says: HTTP, TCP, gRPC, exec.

Sockets are opened in the node's namespace, so a container sees the node's bridge
address as its visitor, and a NetworkPolicy must let it in, as on any node.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
import ssl
from collections.abc import Mapping, Sequence
from ipaddress import IPv4Address
from urllib.parse import urljoin, urlsplit

from netemu.core.kubelet.node import KUBELET_VERSION
from netemu.core.kubelet.probes import (
    Outcome,
    ProbePortError,
    ProbeResult,
    judge_health,
    judge_status,
    port_of,
    url_of,
)
from netemu.errors import HostError
from netemu.host.contract import Runtime
from netemu.host.netns import Netns
from netemu.model.core_v1 import Container, GRPCAction, HTTPGetAction, HTTPHeader

_REDIRECTS_MAX = 10
_BODY_MAX = 10 * 1024
_AGENT = "kube-probe/" + ".".join(KUBELET_VERSION.removeprefix("v").split(".")[:2])
_NOT_RUNNABLE = (126, 127)


class Handlers:
    """What one node does to its containers from outside."""

    def __init__(self, *, netns: Netns, runtime: Runtime) -> None:
        self._netns = netns
        self._runtime = runtime

    async def http(
        self, action: HTTPGetAction, container: Container, pod_ip: IPv4Address, timeout_s: float
    ) -> ProbeResult:
        """GET the URL; what the status means."""
        try:
            url = url_of(action, container, pod_ip)
        except ProbePortError as error:
            return ProbeResult(Outcome.ERROR, str(error))
        try:
            async with asyncio.timeout(timeout_s):
                return await self._follow(url, action.http_headers)
        except TimeoutError:
            text = "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
            return ProbeResult(Outcome.FAILURE, f'Get "{url}": {text}')
        except (OSError, ValueError, _BadAnswerError) as error:
            # ValueError: a line without an end, a Location that is no URL, a name that is none.
            where = urlsplit(url)
            text = _dial_error(error, where.hostname or "", _port(url))
            return ProbeResult(Outcome.FAILURE, f'Get "{url}": {text}')

    async def tcp(self, host: str, port: int, timeout_s: float) -> ProbeResult:
        """Connect, and hang up."""
        try:
            async with asyncio.timeout(timeout_s):
                (await self._connect(host, port)).close()
        except TimeoutError:
            return ProbeResult(Outcome.FAILURE, f"dial tcp {host}:{port}: i/o timeout")
        except (OSError, ValueError) as error:
            return ProbeResult(Outcome.FAILURE, _dial_error(error, host, port))
        return ProbeResult(Outcome.SUCCESS)

    async def tcp_action(
        self, port: int | str, host: str, container: Container, timeout_s: float
    ) -> ProbeResult:
        try:
            number = port_of(container, port)
        except ProbePortError as error:
            return ProbeResult(Outcome.ERROR, str(error))
        return await self.tcp(host, number, timeout_s)

    async def exec(
        self, container_id: str, argv: Sequence[str], timeout_s: float, *, stand_in: bool
    ) -> ProbeResult:
        """Run the command in the container; its exit code decides."""
        try:
            code, output = await self._runtime.exec_capture(container_id, argv, timeout_s=timeout_s)
        except TimeoutError:
            quoted = " ".join(argv)
            text = f'command timed out: "{quoted}" timed out after {timeout_s:g}s'
            return ProbeResult(Outcome.FAILURE, text)
        except HostError as error:
            if stand_in and error.errno == errno.ENOENT:
                return ProbeResult(Outcome.SUCCESS)
            return ProbeResult(Outcome.ERROR, str(error))
        # The tool that asks the real program how it is (`pg_isready`) is as absent as
        # the program: a stand-in that serves is as well as it can be.
        if code == 0 or (stand_in and code in _NOT_RUNNABLE):
            return ProbeResult(Outcome.SUCCESS)
        return ProbeResult(Outcome.FAILURE, output.decode(errors="replace").strip())

    async def grpc(self, action: GRPCAction, host: str, timeout_s: float) -> ProbeResult:
        """Ask for the health of a service."""
        from netemu.daemons.kubelet.grpc_call import HealthCall, NoGrpcError, carry_out

        where = f"{host}:{action.port}"
        try:
            call = HealthCall(where, action.service or "", _AGENT)
        except NoGrpcError as error:
            return ProbeResult(Outcome.ERROR, str(error))
        connected = False
        try:
            async with asyncio.timeout(timeout_s):
                sock = await self._connect(host, action.port)
                reader, writer = await _streams(sock)
                connected = True
                with contextlib.closing(writer):
                    return judge_health(await carry_out(call, reader, writer))
        except TimeoutError:
            text = f"health rpc did not complete within {timeout_s:g}s"
            if not connected or not call.greeted:
                late = "context deadline exceeded"
                text = f'failed to connect service "{where}" within {timeout_s:g}s: {late}'
            return ProbeResult(Outcome.FAILURE, f"timeout: {text}")
        except (OSError, ValueError, NoGrpcError) as error:
            text = f'error: failed to connect service at "{where}": '
            return ProbeResult(Outcome.FAILURE, text + _dial_error(error, host, action.port))

    async def _follow(self, url: str, headers: Sequence[HTTPHeader]) -> ProbeResult:
        host = urlsplit(url).hostname
        for _ in range(_REDIRECTS_MAX):
            status, location = await self._get(url, headers)
            if not (300 <= status < 400 and location):
                return judge_status(status, same_host=True, location="")
            target = urljoin(url, location)
            if urlsplit(target).hostname != host:
                return judge_status(status, same_host=False, location=target)
            url = target
        return ProbeResult(Outcome.FAILURE, f'Get "{url}": stopped after 10 redirects')

    async def _get(self, url: str, headers: Sequence[HTTPHeader]) -> tuple[int, str]:
        """Return the status and the Location of one answer."""
        if _breaks_line(url):  # `urlsplit` would drop it without a word.
            raise ValueError("net/url: invalid control character in URL")
        parts = urlsplit(url)
        sock = await self._connect(parts.hostname or "", _port(url))
        tls = _unverified() if parts.scheme == "https" else None
        name = "" if tls else None
        reader, writer = await _streams(sock, tls, name)
        try:
            path = parts.path + (f"?{parts.query}" if parts.query else "")
            writer.write(_request(path or "/", parts.netloc, headers))
            return await _answer(reader)
        finally:
            writer.close()

    async def _connect(self, host: str, port: int) -> socket.socket:
        sock = await self._netns.call(socket.socket, socket.AF_INET, socket.SOCK_STREAM)
        sock.setblocking(False)
        try:
            await asyncio.get_running_loop().sock_connect(sock, (host, port))
        except BaseException:
            sock.close()
            raise
        return sock


async def _streams(
    sock: socket.socket, tls: ssl.SSLContext | None = None, name: str | None = None
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    try:
        return await asyncio.open_connection(sock=sock, ssl=tls, server_hostname=name)
    except BaseException:
        sock.close()
        raise


class _BadAnswerError(Exception):
    pass


def _port(url: str) -> int:
    parts = urlsplit(url)
    return parts.port or (443 if parts.scheme == "https" else 80)


def _unverified() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _request(path: str, host: str, headers: Sequence[HTTPHeader]) -> bytes:
    lines = {"Host": host, "User-Agent": _AGENT, "Accept": "*/*", "Connection": "close"}
    lines |= {header.name: header.value for header in headers}
    _refuse_line_breaks(lines)
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"GET {path} HTTP/1.1\r\n{head}\r\n".encode()


def _refuse_line_breaks(headers: Mapping[str, str]) -> None:
    """Let no value end its line and begin one of its own; ValueError."""
    for name, value in headers.items():
        if _breaks_line(name):
            raise ValueError(f"net/http: invalid header field name {name!r}")
        if _breaks_line(value):
            raise ValueError(f'net/http: invalid header field value for "{name}"')


def _breaks_line(text: str) -> bool:
    return any(char in text for char in "\r\n\0")


async def _answer(reader: asyncio.StreamReader) -> tuple[int, str]:
    status_line = (await reader.readline()).split(None, 2)
    if len(status_line) < 2 or not status_line[1].isdigit():
        raise _BadAnswerError("EOF" if not status_line else "malformed HTTP response")
    location = ""
    while line := (await reader.readline()).strip():
        name, _, value = line.partition(b":")
        if name.lower() == b"location":
            location = value.strip().decode(errors="replace")
    await reader.read(_BODY_MAX)
    return int(status_line[1]), location


def _dial_error(error: Exception, host: str, port: int) -> str:
    if not isinstance(error, OSError) or error.errno is None:
        return str(error) or "EOF"
    if error.errno in (errno.ECONNRESET, errno.EPIPE):
        return f"read tcp {host}:{port}: {os.strerror(error.errno).lower()}"
    return f"dial tcp {host}:{port}: connect: {os.strerror(error.errno).lower()}"
