"""The container runtime as the daemon sees it: the zygote behind its Unix socket.

    await start_zygote(run_dir, state_dir, cluster, preload)   # if none answers
    runtime = await ZygoteRuntime.connect(run_dir)

All requests of one daemon share a connection; each exec has its own. When the
connection breaks, the next request makes a new one, and requests that were under way
are sent again: each of them may be repeated.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import cast

from netemu.errors import HostError
from netemu.host.attach_session import UnixAttachSession
from netemu.host.exec_session import UnixExecSession
from netemu.host.zygote import birth, messages
from netemu.host.zygote.messages import Done, Failed, Frames, Listing, Reply, Request
from netemu.model.runtime import (
    ContainerPhase,
    ContainerSpec,
    ContainerState,
    SandboxSpec,
    SandboxState,
)

_ANSWERS_WITHIN_S = 120.0
_COMES_BACK_WITHIN_S = 5.0
_RETRY_S = 0.05
_LOOKS_EVERY_S = 1.0


async def start_zygote(
    run_dir: str | os.PathLike[str],
    state_dir: str | os.PathLike[str],
    cluster: str,
    preload: Sequence[str] = (),
) -> None:
    """Start the cluster's zygote unless one answers. It adopts what an earlier one left."""
    if birth.answers(run_dir):
        return
    os.makedirs(run_dir, mode=0o755, exist_ok=True)
    argv = birth.command(run_dir, state_dir, cluster, preload)
    process = await asyncio.create_subprocess_exec(
        *argv,
        env=birth.environment(),
        stdin=subprocess.DEVNULL,
        cwd="/",
        start_new_session=True,  # Ctrl-C is for whoever waits for us, not for it.
    )
    if await process.wait() != 0:
        log = Path(run_dir, "zygote.log")
        text = log.read_text(errors="replace") if log.exists() else ""
        raise HostError("starting the zygote", where=os.fspath(run_dir), answer=text[-2000:])


class _Connection(asyncio.Protocol):
    """One stream of frames: answers find their requests, events their listener."""

    def __init__(self, runtime: ZygoteRuntime) -> None:
        self._runtime = runtime
        self._frames = Frames()
        self._waiting: dict[int, asyncio.Future[Reply]] = {}
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are asyncio's in all but the base class.
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        for body in self._frames.feed(data):
            reply = messages.decode_reply(body)
            if isinstance(reply, messages.ContainerExited):
                self._runtime.note_exit(reply.state)
            elif isinstance(reply, messages.SandboxEnded):
                self._runtime.note_end(reply.state)
            elif (future := self._waiting.pop(reply.seq, None)) and not future.done():
                future.set_result(reply)

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport = None
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(ConnectionResetError("the zygote hung up"))
        self._waiting.clear()

    async def ask(self, request: Request) -> Reply:
        if self.transport is None:
            raise ConnectionResetError("the zygote hung up")
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._waiting[request.seq] = future
        self.transport.write(messages.frame(request))
        try:
            return await future
        finally:
            self._waiting.pop(request.seq, None)


class ZygoteRuntime:
    """Keeps `host.contract.Runtime`."""

    def __init__(
        self,
        run_dir: str | os.PathLike[str],
        *,
        revive: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """`revive` starts a zygote where none answers: `start_zygote`, with its arguments."""
        self._path = birth.socket_path(run_dir)
        self._revive = revive
        self._connection: _Connection | None = None
        self._connecting = asyncio.Lock()
        self._numbers = itertools.count(1)
        self._listeners: set[asyncio.Queue[ContainerState | SandboxState]] = set()
        self._running: set[str] = set()
        """Containers that were seen running: what ended unseen is told later."""
        self._closed = False

    @classmethod
    async def connect(
        cls,
        run_dir: str | os.PathLike[str],
        *,
        revive: Callable[[], Awaitable[None]] | None = None,
    ) -> ZygoteRuntime:
        runtime = cls(run_dir, revive=revive)
        await runtime.containers()
        return runtime

    async def create_sandbox(self, spec: SandboxSpec) -> SandboxState:
        done = await self._do(messages.CreateSandbox(seq=self._number(), spec=spec))
        assert done.sandbox is not None
        return done.sandbox

    async def remove_sandbox(self, sandbox_id: str) -> None:
        await self._do(messages.RemoveSandbox(seq=self._number(), id=sandbox_id))

    async def start_container(self, spec: ContainerSpec) -> ContainerState:
        done = await self._do(messages.StartContainer(seq=self._number(), spec=spec))
        assert done.container is not None
        if done.container.phase is ContainerPhase.RUNNING:
            self._running.add(spec.id)
        return done.container

    async def signal_container(self, container_id: str, signal: int) -> None:
        request = messages.SignalContainer(seq=self._number(), id=container_id, signal=signal)
        await self._do(request)

    async def remove_container(self, container_id: str) -> None:
        await self._do(messages.RemoveContainer(seq=self._number(), id=container_id))
        self._running.discard(container_id)

    async def exec(
        self,
        container_id: str,
        argv: Sequence[str],
        *,
        tty: bool = False,
        stdin: bool = False,
    ) -> UnixExecSession:
        request = messages.Exec(
            seq=self._number(), container=container_id, argv=list(argv), tty=tty
        )
        return await UnixExecSession.start(self._path, request, stdin=stdin)

    async def attach(self, container_id: str, *, stdin: bool = False) -> UnixAttachSession:
        request = messages.Attach(seq=self._number(), container=container_id, stdin=stdin)
        return await UnixAttachSession.join(self._path, request)

    async def exec_capture(
        self, container_id: str, argv: Sequence[str], *, timeout_s: float
    ) -> tuple[int, bytes]:
        """Run a program to its end; TimeoutError if that takes longer, its start included."""
        async with asyncio.timeout(timeout_s):
            session = await self.exec(container_id, argv)
            try:
                return await session.capture()
            finally:
                session.close()

    async def sandboxes(self) -> list[SandboxState]:
        return (await self._list()).sandboxes

    async def containers(self) -> list[ContainerState]:
        return (await self._list()).containers

    async def events(self) -> AsyncIterator[ContainerState | SandboxState]:
        queue: asyncio.Queue[ContainerState | SandboxState] = asyncio.Queue()
        self._listeners.add(queue)
        try:
            while True:
                try:
                    yield await asyncio.wait_for(queue.get(), _LOOKS_EVERY_S)
                except TimeoutError:
                    # Without a connection nothing would ever come.
                    with contextlib.suppress(OSError, HostError):
                        await self._connected(patience_s=0)
        finally:
            self._listeners.discard(queue)

    def note_exit(self, state: ContainerState) -> None:
        """Tell everyone who listens that a container has ended."""
        self._running.discard(state.id)
        for queue in self._listeners:
            queue.put_nowait(state)

    def note_end(self, state: SandboxState) -> None:
        """Tell everyone who listens that a sandbox has lost its pause process."""
        for queue in self._listeners:
            queue.put_nowait(state)

    async def pid(self) -> int:
        """Return the zygote's process id."""
        return (await self._list()).pid

    async def shutdown(self) -> None:
        """Kill every sandbox and container, remove what they left; the zygote ends."""
        with contextlib.suppress(ConnectionError, FileNotFoundError):
            self._revive = None
            connection = await self._connected(patience_s=0)
            await connection.ask(messages.Shutdown(seq=self._number()))
        self.close()

    def close(self) -> None:
        """Hang up; everything goes on."""
        self._closed = True
        if self._connection is not None and self._connection.transport is not None:
            self._connection.transport.close()
        self._connection = None

    def _number(self) -> int:
        return next(self._numbers)

    async def _do(self, request: Request) -> Done:
        reply = await self._ask(request)
        if isinstance(reply, Failed):
            raise HostError(reply.doing, answer=reply.answer, errno=reply.errno)
        assert isinstance(reply, Done)
        return reply

    async def _list(self) -> Listing:
        reply = await self._ask(messages.ListAll(seq=self._number()))
        assert isinstance(reply, Listing)
        return reply

    async def _ask(self, request: Request) -> Reply:
        doing = type(request).__name__
        try:
            async with asyncio.timeout(_ANSWERS_WITHIN_S):
                while True:
                    connection = await self._connected(patience_s=_COMES_BACK_WITHIN_S)
                    with contextlib.suppress(ConnectionError):
                        return await connection.ask(request)
        except TimeoutError as error:
            raise HostError(doing, where="the zygote", answer="no answer") from error
        except OSError as error:
            answer = error.strerror or str(error)
            raise HostError(doing, where=self._path, answer=answer) from error

    async def _connected(self, *, patience_s: float) -> _Connection:
        """Return a connection, a new one if the last one broke; OSError if none answers."""
        async with self._connecting:
            if self._connection is not None and self._connection.transport is not None:
                return self._connection
            if self._closed:
                raise ConnectionResetError("the runtime is closed")
            loop = asyncio.get_running_loop()
            deadline = loop.time() + patience_s
            while True:
                try:
                    _, connection = await loop.create_unix_connection(
                        lambda: _Connection(self), self._path
                    )
                    break
                except (FileNotFoundError, ConnectionRefusedError):
                    if self._revive is not None:
                        await self._revive()
                    elif loop.time() >= deadline:
                        raise
                    else:
                        await asyncio.sleep(_RETRY_S)
            await self._catch_up(connection)
            self._connection = connection
            return connection

    async def _catch_up(self, connection: _Connection) -> None:
        """Subscribe to exits, and tell of those that happened while nobody listened."""
        reply = await connection.ask(messages.ListAll(seq=self._number(), watch=True))
        assert isinstance(reply, Listing)
        for state in reply.containers:
            if state.phase is ContainerPhase.RUNNING:
                self._running.add(state.id)
            elif state.id in self._running:
                self.note_exit(state)
        for sandbox in reply.sandboxes:
            if not sandbox.alive:
                self.note_end(sandbox)
