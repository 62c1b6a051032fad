"""The way to the ports of a Pod: connections that begin inside its network namespace.

The pause process is held by a pidfd, so that its end is heard of at once, and the
namespace by a descriptor, which would keep it alive: whoever opens this closes it.
"""

from __future__ import annotations

import asyncio
import os
import socket
from typing import Self

from netemu.errors import HostError
from netemu.host.netns import inside, netns_of
from netemu.host.processes import ProcessId
from netemu.model.runtime import SandboxState

_CONNECT_TIMEOUT_S = 30.0
_BUFFER = 256 * 1024
_LOOPBACKS = ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"))


class LinuxSandboxPorts:
    """Keeps `host.contract.SandboxPorts`."""

    def __init__(self, name: str, process: int, netns: int) -> None:
        self._name = name
        self._process = process
        self._netns = netns
        self._gone = asyncio.Event()
        asyncio.get_running_loop().add_reader(process, self._gone.set)

    @classmethod
    def open(cls, sandbox: SandboxState) -> Self:
        """Enter by the pause process; HostError if it is gone."""
        name = f"{sandbox.namespace}/{sandbox.name}"
        try:
            process = os.pidfd_open(sandbox.pid)
        except OSError as error:
            raise _gone(name, error) from error
        try:
            # The pidfd pins the process; only now does the start time prove who it is.
            if not ProcessId(sandbox.pid, sandbox.pid_start).alive:
                raise _gone(name)
            netns = os.open(netns_of(sandbox.pid), os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            os.close(process)
            raise _gone(name, error) from error
        except HostError:
            os.close(process)
            raise
        return cls(name, process, netns)

    async def connect(self, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect to a port of the Pod's loopback; HostError tells what each family said."""
        answers = []
        for family, address in _LOOPBACKS:
            try:
                connected = await self._connect(family, address, port)
            except OSError as error:
                answers.append(_answer(family, address, port, error))
            else:
                return await asyncio.open_connection(sock=connected, limit=_BUFFER)
        raise HostError(
            f"failed to connect to localhost:{port} inside namespace {self._name}",
            answer=", ".join(answers),
        )

    async def _connect(self, family: int, address: str, port: int) -> socket.socket:
        loop = asyncio.get_running_loop()
        opened = await loop.run_in_executor(None, self._socket, family)
        try:
            opened.setblocking(False)
            async with asyncio.timeout(_CONNECT_TIMEOUT_S):
                await loop.sock_connect(opened, (address, port))
        except BaseException:
            opened.close()
            raise
        return opened

    def _socket(self, family: int) -> socket.socket:
        try:
            with inside(f"/proc/self/fd/{self._netns}"):
                return socket.socket(family, socket.SOCK_STREAM)
        except HostError as error:
            raise OSError(error.errno, error.answer) from error

    async def gone(self) -> None:
        """Wait until the sandbox has ended."""
        await self._gone.wait()

    def close(self) -> None:
        """Let go of the sandbox; connections go on. Twice is once."""
        if self._process < 0:
            return
        asyncio.get_running_loop().remove_reader(self._process)
        os.close(self._process)
        os.close(self._netns)
        self._process = -1


def _gone(name: str, error: OSError | None = None) -> HostError:
    answer = (error.strerror or "") if error else "its pause process has ended"
    return HostError("entering the sandbox", where=name, answer=answer)


def _answer(family: int, address: str, port: int, error: OSError) -> str:
    """Say it as Go's dialer does, whose words clients know."""
    version = 4 if family == socket.AF_INET else 6
    shown = address if version == 4 else f"[{address}]"
    said = (os.strerror(error.errno) if error.errno else "i/o timeout").lower()
    return f"IPv{version}: dial tcp{version} {shown}:{port}: connect: {said}"
