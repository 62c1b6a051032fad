"""A node's own way to the API server: a TLS connection from its namespace, over its cable.

The components of all nodes live in one process with the API server and could talk to it
whatever becomes of their cables. So that they cannot, all that they say and hear is let
through only while packets get from the node's namespace to the control plane and back:
each request, and each event of a watch, needs a round trip over the node's connection
that is no older than a fifth of a second. Where none succeeds, requests fail as they do
when a server cannot be reached, and watches are silent until one does again.

Nothing is sent while nothing is to be said; a kubelet says that it lives by its Lease,
which is written over this very connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
from dataclasses import dataclass, field
from ipaddress import IPv4Address

from netemu.errors import ApiError
from netemu.host.netns import Netns

log = logging.getLogger(__name__)

FRESH_S = 0.2
"""How long a round trip proves that packets get through: longer means more lies, less work."""
_ANSWERS_WITHIN_S = 3.0
"""A lost packet or two are sent again by TCP meanwhile."""
_CONNECTS_WITHIN_S = 0.5
"""The kernels alone have a say in that: milliseconds, if packets get through at all."""
_RETRY_S = 0.25
_NOT_AN_ANSWER = (OSError, TimeoutError, EOFError, ValueError, asyncio.LimitOverrunError)


@dataclass(slots=True, eq=False)
class _Request:
    method: str
    path: str
    body: bytes
    answer: asyncio.Future[tuple[int, bytes]] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )


class NodeLink:
    """One node's connection, kept open, asked one thing after the other."""

    def __init__(
        self, *, node: str, netns: Netns, server: IPv4Address, port: int, tls: ssl.SSLContext
    ) -> None:
        self._node = node
        self._netns = netns
        self._server = server
        self._port = port
        self._tls = tls
        self._requests: asyncio.Queue[_Request] = asyncio.Queue()
        self._proof: _Request | None = None
        """The round trip that everybody waits for who needs one."""
        self._verified_at = float("-inf")
        self._silent = False
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    @property
    def fresh(self) -> bool:
        """Whether packets got through a moment ago."""
        return asyncio.get_running_loop().time() - self._verified_at < FRESH_S

    def doubt(self) -> None:
        """Believe nothing any more: something was done to the cable."""
        self._verified_at = float("-inf")

    async def reach(self) -> None:
        """Return when packets get through; ApiError if they do not."""
        if self.fresh:
            return
        proof = self._proof
        if proof is None or proof.answer.done():
            proof = self._proof = self._ask("GET", "/livez", b"")
        await asyncio.shield(proof.answer)

    async def reached(self) -> None:
        """Wait until packets get through."""
        while not self.fresh:
            try:
                await self.reach()
            except ApiError:
                await asyncio.sleep(_RETRY_S)

    async def request(self, method: str, path: str, body: bytes = b"") -> tuple[int, bytes]:
        """Ask the server over the node's connection; ApiError if there is no answer."""
        return await self._ask(method, path, body).answer

    def _ask(self, method: str, path: str, body: bytes) -> _Request:
        request = _Request(method, path, body)
        self._requests.put_nowait(request)
        return request

    async def run(self) -> None:
        """Carry requests until cancelled; whoever waits then is told so."""
        request: _Request | None = None
        try:
            while True:
                request = await self._requests.get()
                if not request.answer.done():
                    await self._carry(request)
        finally:
            self._hang_up()
            self._refuse(request, "the node's components have ended")
            while not self._requests.empty():
                self._refuse(self._requests.get_nowait(), "the node's components have ended")

    async def _carry(self, request: _Request) -> None:
        try:
            answer = await self._exchange(request)
        except _NOT_AN_ANSWER as error:
            why = str(error) or "i/o timeout"
            self._hang_up()
            self._note(silent=True, why=why)
            self._refuse(request, why)
            return
        self._verified_at = asyncio.get_running_loop().time()
        self._note(silent=False)
        if not request.answer.done():
            request.answer.set_result(answer)

    def _refuse(self, request: _Request | None, why: str) -> None:
        if request is None or request.answer.done():
            return
        message = f"dial tcp {self._server}:{self._port}: {why}"
        request.answer.set_exception(ApiError(503, "ServiceUnavailable", message))
        request.answer.exception()  # Nobody may be left to hear of it, and that is well.

    async def _exchange(self, request: _Request) -> tuple[int, bytes]:
        if self._streams is not None:
            with contextlib.suppress(ConnectionError, EOFError):  # Idle for too long: once more.
                return await self._talk(self._streams, request)
            self._hang_up()
        self._streams = await self._connect()
        return await self._talk(self._streams, request)

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        connection = await self._netns.call(socket.socket, socket.AF_INET, socket.SOCK_STREAM)
        try:
            connection.setblocking(False)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            address = (str(self._server), self._port)
            async with asyncio.timeout(_CONNECTS_WITHIN_S):
                await asyncio.get_running_loop().sock_connect(connection, address)
            async with asyncio.timeout(_ANSWERS_WITHIN_S):
                return await asyncio.open_connection(
                    sock=connection, ssl=self._tls, server_hostname=str(self._server)
                )
        except BaseException:
            connection.close()
            raise

    async def _talk(
        self, streams: tuple[asyncio.StreamReader, asyncio.StreamWriter], request: _Request
    ) -> tuple[int, bytes]:
        reader, writer = streams
        lines = (
            f"{request.method} {request.path} HTTP/1.1",
            f"Host: {self._server}:{self._port}",
            "Content-Type: application/json",
            f"Content-Length: {len(request.body)}",
        )
        async with asyncio.timeout(_ANSWERS_WITHIN_S):
            writer.write("\r\n".join((*lines, "", "")).encode() + request.body)
            head = await reader.readuntil(b"\r\n\r\n")
            return _status(head), await reader.readexactly(_length(head))

    def _hang_up(self) -> None:
        self.doubt()
        if self._streams is not None:
            # Closing would wait for the other end to say goodbye, TLS being polite.
            self._streams[1].transport.abort()
            self._streams = None

    def _note(self, *, silent: bool, why: str = "") -> None:
        """Log when it changes."""
        if silent != self._silent:
            self._silent = silent
            state = f"does not reach the API server: {why}" if silent else "reaches the API server"
            log.info("%s: the node %s", self._node, state)


def _status(head: bytes) -> int:
    return int(head.split(b" ", 2)[1])


def _length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.partition(b":")[2])
    return 0
