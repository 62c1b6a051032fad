"""A small server for many ports in one thread: HTTP/1.1 on TCP, datagrams on UDP.

It is what a Pod costs, so it is small: epoll, no asyncio, and nothing allocated that
an idle server would keep. A handler that takes its time (`slow`) gets a thread.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from netemu.images.http import BadRequest, Parser, Request, Response, render

if TYPE_CHECKING:
    import ssl  # Who serves TLS has imported it; a stand-in need not.

Peer = tuple[str, int]
Port = int
HttpHandler = Callable[[Request], Response]
DatagramHandler = Callable[[bytes, Peer, int], bytes | None]
"""Called with the data, the sender and the local port."""


class Http2(Protocol):
    """A connection that began with HTTP/2's preface."""

    closing: bool

    def feed(self, data: bytes) -> bytes:
        """Take what came; return what is to be sent."""


Http2Factory = Callable[[Port], Http2]

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_BACKLOG = 4096
_CHUNK = 64 << 10
_TLS_IDLE_S = 120.0
_READ = select.EPOLLIN | select.EPOLLRDHUP


class Connection:
    """One client's stream."""

    __slots__ = ("begun", "closing", "http2", "parser", "peer", "port", "slow", "socket", "unsent")

    def __init__(self, connection: socket.socket, peer: Peer, port: int) -> None:
        self.socket = connection
        self.peer = peer
        self.port = port
        self.parser = Parser()
        self.begun = b""
        """What came so far, as long as it may become HTTP/2's preface."""
        self.http2: Http2 | None = None
        self.unsent = b""
        self.closing = False
        self.slow = False
        """A thread works on its answer; what comes meanwhile waits."""


class Server:
    def __init__(
        self,
        http: HttpHandler,
        datagram: DatagramHandler,
        *,
        slow: Callable[[Request], bool] = lambda _: False,
        raw: Callable[[Peer], bytes] | None = None,
        http2: Http2Factory | None = None,
    ) -> None:
        """`raw`, if given, answers a TCP connection at once instead of HTTP, and closes it;
        `http2` takes over the connections that speak it.
        """
        self._http = http
        self._datagram = datagram
        self._slow = slow
        self._raw = raw
        self._http2 = http2
        self._epoll = select.epoll()
        self._listeners: dict[int, tuple[socket.socket, int, ssl.SSLContext | None]] = {}
        self._datagrams: dict[int, tuple[socket.socket, int]] = {}
        self._connections: dict[int, Connection] = {}
        self._finished: list[tuple[Connection, Request, Response]] = []
        self._ends_at = 0.0
        self._wakeup, self._alarm = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._epoll.register(self._wakeup, select.EPOLLIN)

    def listen_tcp(
        self, port: int, address: str = "", *, tls: ssl.SSLContext | None = None
    ) -> None:
        """Serve HTTP or HTTPS; OSError if the port cannot be listened on."""
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((address, port))
            listener.listen(_BACKLOG)
        except OSError:
            listener.close()
            raise
        listener.setblocking(False)
        self._listeners[listener.fileno()] = (listener, port, tls)
        self._epoll.register(listener.fileno(), select.EPOLLIN)

    def listen_udp(self, port: int, address: str = "") -> None:
        handle = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            handle.bind((address, port))
        except OSError:
            handle.close()
            raise
        handle.setblocking(False)
        self._datagrams[handle.fileno()] = (handle, port)
        self._epoll.register(handle.fileno(), select.EPOLLIN)

    def end_on_sigterm(self, *, after_s: float) -> None:
        """Serve on for a moment after SIGTERM: clients hear late that we are leaving."""

        def leave(_number: int, _frame: object) -> None:
            self.end(after_s=after_s)

        signal.set_wakeup_fd(self._alarm, warn_on_full_buffer=False)
        signal.signal(signal.SIGTERM, leave)
        signal.signal(signal.SIGINT, leave)

    def end(self, *, after_s: float) -> None:
        self._ends_at = self._ends_at or time.monotonic() + after_s
        self._wake()

    def run(self) -> None:
        while True:
            left = self._ends_at - time.monotonic() if self._ends_at else -1.0
            if self._ends_at and left <= 0:
                return
            for fd, events in self._epoll.poll(left, 256):
                self._turn(fd, events)

    def _turn(self, fd: int, events: int) -> None:
        if (connection := self._connections.get(fd)) is not None:
            self._serve(connection, events)
        elif (listening := self._listeners.get(fd)) is not None:
            self._accept(*listening)
        elif (datagrams := self._datagrams.get(fd)) is not None:
            self._answer_datagrams(*datagrams)
        else:
            self._finish_slow_ones()

    # UDP.

    def _answer_datagrams(self, handle: socket.socket, port: int) -> None:
        with contextlib.suppress(OSError):  # Nothing left, or an ICMP error of an old answer.
            for _ in range(64):
                data, peer = handle.recvfrom(65535)
                answer = self._datagram(data, peer, port)
                if answer is not None:
                    handle.sendto(answer, peer)

    # TCP.

    def _accept(self, listener: socket.socket, port: int, tls: ssl.SSLContext | None) -> None:
        with contextlib.suppress(OSError):
            for _ in range(64):
                accepted, peer = listener.accept()
                accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                if tls is not None:
                    _in_thread(self._serve_tls, accepted, peer, port, tls)
                    continue
                accepted.setblocking(False)
                connection = Connection(accepted, peer, port)
                self._connections[accepted.fileno()] = connection
                self._epoll.register(accepted.fileno(), _READ)
                if self._raw is not None:
                    connection.closing = True
                    self._send(connection, self._raw(peer))

    def _serve(self, connection: Connection, events: int) -> None:
        if events & select.EPOLLOUT and connection.unsent:
            self._send(connection, b"")
            return
        if connection.closing:
            self._close(connection)
            return
        try:
            data = connection.socket.recv(_CHUNK)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._close(connection)
            return
        if self._http2 is not None and self._speaks_http2(connection, data):
            return
        data, connection.begun = connection.begun + data, b""
        connection.parser.feed(data)
        self._answer(connection)

    def _speaks_http2(self, connection: Connection, data: bytes) -> bool:
        """Hand the data on if it is HTTP/2's, or keep it if that cannot be told yet."""
        if connection.http2 is None and connection.parser.untouched and self._http2 is not None:
            data = connection.begun + data
            if len(data) < len(_PREFACE) and _PREFACE.startswith(data):
                connection.begun = data
                return True
            if data.startswith(_PREFACE):
                connection.http2 = self._http2(connection.port)
        if connection.http2 is None:
            return False
        answer = connection.http2.feed(data)
        connection.closing = connection.http2.closing
        self._send(connection, answer)
        return True

    def _answer(self, connection: Connection) -> None:
        """Answer every request that is complete."""
        try:
            while not connection.slow and not connection.closing:
                request = connection.parser.next()
                if request is None:
                    break
                request.peer, request.port = connection.peer, connection.port
                if self._slow(request):
                    self._begin_slow_one(connection, request)
                else:
                    self._reply(connection, request, self._http(request))
            if connection.parser.expects_continue():
                self._send(connection, b"HTTP/1.1 100 Continue\r\n\r\n")
        except BadRequest as error:
            connection.closing = True
            self._send(connection, render(None, Response(400, f"{error}\n".encode())))

    def _reply(self, connection: Connection, request: Request, response: Response) -> None:
        connection.closing = not request.keep_alive
        self._send(connection, render(request, response))

    def _send(self, connection: Connection, data: bytes) -> None:
        connection.unsent += data
        try:
            sent = connection.socket.send(connection.unsent)
            connection.unsent = connection.unsent[sent:]
        except BlockingIOError:
            pass
        except OSError:
            self._close(connection)
            return
        if connection.unsent:
            self._epoll.modify(connection.socket.fileno(), select.EPOLLOUT)
        elif connection.closing:
            self._close(connection)
        else:
            self._epoll.modify(connection.socket.fileno(), _READ)

    def _close(self, connection: Connection) -> None:
        if self._connections.pop(connection.socket.fileno(), None) is not None:
            self._epoll.unregister(connection.socket.fileno())
        connection.closing = True
        connection.socket.close()

    def _serve_tls(
        self, accepted: socket.socket, peer: Peer, port: int, tls: ssl.SSLContext
    ) -> None:
        """Serve one client in a thread of its own: TLS is rare here, and clumsy with epoll."""
        parser = Parser()
        with contextlib.suppress(OSError, BadRequest):
            accepted.settimeout(_TLS_IDLE_S)
            with tls.wrap_socket(accepted, server_side=True) as stream:
                keep = True
                while keep and (data := stream.recv(_CHUNK)):
                    parser.feed(data)
                    while keep and (request := parser.next()) is not None:
                        request.peer, request.port = peer, port
                        stream.sendall(render(request, self._http(request)))
                        keep = request.keep_alive
        accepted.close()

    # Slow answers.

    def _begin_slow_one(self, connection: Connection, request: Request) -> None:
        connection.slow = True
        _in_thread(self._work, connection, request)

    def _work(self, connection: Connection, request: Request) -> None:
        try:
            response = self._http(request)
        except OSError as error:
            response = Response(500, f"{error}\n".encode())
        self._finished.append((connection, request, response))
        self._wake()

    def _wake(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.write(self._alarm, b"\0")

    def _finish_slow_ones(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self._wakeup, 4096)
        while self._finished:
            connection, request, response = self._finished.pop(0)
            connection.slow = False
            if connection.socket.fileno() >= 0:
                self._reply(connection, request, response)
                self._answer(connection)


def _in_thread(target: Callable[..., None], *args: object) -> None:
    threading.Thread(target=target, args=args, daemon=True).start()
