"""One exec, seen from the daemon: three pipes or a terminal, and an exit code.

The child's ends go to the zygote with the request; a terminal is made in the
container and its master comes back with the answer. Closing the connection kills
the process, so a daemon that dies leaves no exec behind.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import socket
import struct
import termios
from collections.abc import AsyncIterator, Callable, Sequence

from netemu.errors import HostError
from netemu.host.zygote import messages
from netemu.host.zygote.messages import Done, ExecEnded, Failed, Frames

_CHUNK = 32 << 10
_MOST_WAITING = 32
_MOST_CAPTURED = 1 << 20
_LINGER_S = 0.25
"""How long output may come after the exit: from a background process, for ever."""


class UnixExecSession:
    """Keeps `host.contract.ExecSession`."""

    _doing = "exec"

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._loop = asyncio.get_running_loop()
        self._frames = Frames()
        self._started: asyncio.Future[None] = self._loop.create_future()
        self._exit: asyncio.Future[int] = self._loop.create_future()
        self._terminal = -1
        self._stdin = -1
        self._outputs: dict[int, int] = {}
        """Descriptor → 1 for stdout, 2 for stderr."""
        self._queue: asyncio.Queue[tuple[int, bytes] | None] = asyncio.Queue()
        self._paused = False
        self._closed = False

    @classmethod
    async def start(cls, path: str, request: messages.Exec, *, stdin: bool) -> UnixExecSession:
        """Start the process; HostError if the program is not there or the container is gone."""
        session = cls(cls._connect(path))
        theirs = []
        if not request.tty:
            theirs = [session._make_input(stdin=stdin), *session._make_outputs()]
        await session._begin(request, theirs)
        return session

    @classmethod
    def _connect(cls, path: str) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.connect(path)
        except OSError as error:
            connection.close()
            answer = error.strerror or ""
            raise HostError(
                cls._doing, where=path, answer=answer, errno=error.errno or 0
            ) from error
        return connection

    async def _begin(self, request: messages.Request, theirs: Sequence[int]) -> None:
        """Send the request with the descriptors that go with it, and wait for the answer."""
        try:
            socket.send_fds(self._connection, [messages.frame(request)], theirs)
        finally:
            for fd in theirs:
                os.close(fd)
        self._connection.setblocking(False)
        self._loop.add_reader(self._connection.fileno(), self._receive)
        try:
            await self._started
        except BaseException:
            self.close()
            raise
        self._resume()

    def _make_input(self, *, stdin: bool) -> int:
        """Make our end; return the child's."""
        if not stdin:
            return os.open("/dev/null", os.O_RDONLY)
        theirs, self._stdin = os.pipe()
        os.set_blocking(self._stdin, False)
        return theirs

    def _make_outputs(self) -> list[int]:
        """Make our ends; return the child's."""
        theirs = []
        for stream in (1, 2):
            ours, child = os.pipe()
            os.set_blocking(ours, False)
            self._outputs[ours] = stream
            theirs.append(child)
        return theirs

    # What the zygote says.

    def _receive(self) -> None:
        try:
            data, fds, _, _ = socket.recv_fds(self._connection, 1 << 16, 1)
        except BlockingIOError:
            return
        except OSError:
            data, fds = b"", []
        for fd in fds:
            self._take_terminal(fd)
        for body in self._frames.feed(data):
            self._hear(messages.decode_reply(body))
        if not data:
            self._loop.remove_reader(self._connection.fileno())
            self._fail(HostError(self._doing, answer="the zygote hung up"))

    def _take_terminal(self, fd: int) -> None:
        os.set_blocking(fd, False)
        os.set_inheritable(fd, False)
        self._terminal = fd
        self._stdin = os.dup(fd)
        self._outputs[fd] = 1

    def _hear(self, reply: messages.Reply) -> None:
        if isinstance(reply, Done) and not self._started.done():
            self._started.set_result(None)
        elif isinstance(reply, Failed):
            self._fail(HostError(reply.doing, answer=reply.answer, errno=reply.errno))
        elif isinstance(reply, ExecEnded) and not self._exit.done():
            self._exit.set_result(reply.exit_code)
            if self._outputs:
                self._loop.call_later(_LINGER_S, self._close_outputs)
            else:
                self.close()

    def _fail(self, error: HostError) -> None:
        for future in (self._started, self._exit):
            if not future.done():
                future.set_exception(error)
                future.exception()  # Whoever does not wait need not hear of it.
        self._close_outputs()

    # Streams.

    def _resume(self) -> None:
        self._paused = False
        for fd in self._outputs:
            self._loop.add_reader(fd, self._read, fd)
        if not self._outputs:
            self._queue.put_nowait(None)

    def _read(self, fd: int) -> None:
        try:
            data = os.read(fd, _CHUNK)
        except BlockingIOError:
            return
        except OSError:  # EIO: a terminal whose last process is gone.
            data = b""
        if not data:
            self._close_output(fd)
            return
        self._queue.put_nowait((self._outputs[fd], data))
        if self._queue.qsize() >= _MOST_WAITING:
            self._paused = True
            for output in self._outputs:
                self._loop.remove_reader(output)

    def _close_output(self, fd: int) -> None:
        self._loop.remove_reader(fd)
        del self._outputs[fd]
        os.close(fd)
        if fd == self._terminal:
            self._terminal = -1
        if not self._outputs:
            self._queue.put_nowait(None)
            if self._exit.done():
                self.close()  # Nothing more can come: nobody needs to say so.

    def _close_outputs(self) -> None:
        """Stop listening to whoever holds the streams open after the end."""
        if self._paused and not self._closed:
            # Its reader is slow, not its writer: what is there will be read.
            self._loop.call_later(_LINGER_S, self._close_outputs)
            return
        for fd in list(self._outputs):
            self._close_output(fd)

    async def output(self) -> AsyncIterator[tuple[int, bytes]]:
        while (item := await self._queue.get()) is not None:
            if self._paused and self._queue.qsize() < _MOST_WAITING // 2:
                self._resume()
            yield item
        self._queue.put_nowait(None)  # For the next one who asks.

    async def write_stdin(self, data: bytes) -> None:
        """Write all of it; BrokenPipeError once nobody reads."""
        view = memoryview(data)
        while view:
            if self._stdin < 0:
                raise BrokenPipeError("stdin is closed")
            try:
                view = view[os.write(self._stdin, view) :]
            except BlockingIOError:
                await self._until_writable(self._stdin)

    async def _until_writable(self, fd: int) -> None:
        room: asyncio.Future[None] = self._loop.create_future()
        self._loop.add_writer(fd, _settle(room))
        try:
            self._exit.add_done_callback(_settle(room))
            await room
        finally:
            if self._stdin == fd:  # Else it is closed, and the number may be another's by now.
                self._loop.remove_writer(fd)
        if self._stdin != fd or self._exit.done():
            raise BrokenPipeError("the process has ended")

    async def close_stdin(self) -> None:
        """End the input: a pipe is closed, a terminal gets its end-of-file character."""
        if self._stdin < 0:
            return
        if self._terminal >= 0:
            with contextlib.suppress(OSError):
                os.write(self._stdin, b"\x04")
            return
        self._close_stdin()

    def _close_stdin(self) -> None:
        self._loop.remove_writer(self._stdin)
        os.close(self._stdin)
        self._stdin = -1

    async def resize(self, *, width: int, height: int) -> None:
        if self._terminal >= 0:
            size = struct.pack("HHHH", height, width, 0, 0)
            fcntl.ioctl(self._terminal, termios.TIOCSWINSZ, size)

    async def wait(self) -> int:
        return await asyncio.shield(self._exit)

    async def kill(self) -> None:
        self._send(messages.KillExec(seq=0))

    def _send(self, request: messages.Request) -> None:
        with contextlib.suppress(OSError):
            self._connection.send(messages.frame(request))

    async def capture(self) -> tuple[int, bytes]:
        """Return the exit code and what was written, up to a bound: it may be endless."""
        kept = bytearray()
        async for _, data in self.output():
            kept += data[: _MOST_CAPTURED - len(kept)]
        return await self.wait(), bytes(kept)

    def close(self) -> None:
        """Let go of everything; a process that still runs is killed by it."""
        if self._closed:
            return
        self._closed = True
        if self._connection.fileno() >= 0:
            self._loop.remove_reader(self._connection.fileno())
        self._connection.close()
        self._close_outputs()
        if self._stdin >= 0:
            self._close_stdin()
        self._fail(HostError(self._doing, answer="the session is closed"))


def _settle(future: asyncio.Future[None]) -> Callable[..., None]:
    def settle(_: object = None) -> None:
        if not future.done():
            future.set_result(None)

    return settle
