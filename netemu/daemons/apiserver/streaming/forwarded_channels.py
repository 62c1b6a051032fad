"""Forwarded ports on the channels of a WebSocket: one connection each, from the start."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

from aiohttp import web

from netemu.daemons.apiserver.streaming.websocket_channels import Messages
from netemu.errors import HostError
from netemu.host.contract import SandboxPorts

_CHUNK = 64 * 1024


class ForwardedChannels:
    """One client's ports: channel 2i is the data of port i, 2i+1 its complaints."""

    def __init__(
        self,
        socket: web.WebSocketResponse,
        ports: SandboxPorts,
        *,
        complaint: Callable[[int, HostError], bytes],
    ) -> None:
        self._socket = socket
        self._messages = Messages(socket)
        self._ports = ports
        self._complaint = complaint
        self._writers: dict[int, asyncio.StreamWriter] = {}

    async def run(self, numbers: list[int]) -> None:
        """Forward until the client leaves, the Pod is gone or all connections have ended."""
        pumps = []
        try:
            readers = [await self._open(index, port) for index, port in enumerate(numbers)]
            pumps = [
                asyncio.ensure_future(self._receive()),
                asyncio.ensure_future(self._ports.gone()),
            ]
            pumps.append(asyncio.ensure_future(self._pump_all(readers)))
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            await self._socket.close(code=1000)
        except ConnectionError:
            pass  # The client has left.
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            for writer in self._writers.values():
                writer.close()

    async def _open(self, index: int, port: int) -> asyncio.StreamReader | None:
        for channel in (2 * index, 2 * index + 1):
            await self._messages.send(channel, port.to_bytes(2, "little"))
        try:
            reader, self._writers[2 * index] = await self._ports.connect(port)
        except HostError as error:
            await self._messages.send(2 * index + 1, self._complaint(port, error))
            return None
        return reader

    async def _receive(self) -> None:
        async for channel, data in self._messages.received():
            writer = self._writers.get(channel)
            if writer is not None and not writer.is_closing():
                with contextlib.suppress(ConnectionError):
                    writer.write(data)
                    await writer.drain()

    async def _pump_all(self, readers: list[asyncio.StreamReader | None]) -> None:
        async with asyncio.TaskGroup() as tasks:
            for index, reader in enumerate(readers):
                if reader is not None:
                    tasks.create_task(self._pump(2 * index, reader))

    async def _pump(self, channel: int, reader: asyncio.StreamReader) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(_CHUNK):
                await self._messages.send(channel, data)
