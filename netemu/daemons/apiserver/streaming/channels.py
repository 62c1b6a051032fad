"""The channels of one exec or attach, whatever protocol carries them.

A client's end is a `Channels`; `Bridge` joins it with the process. WebSocket and SPDY
differ in how channels are told apart and in how an end is said, and in nothing else.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from enum import IntEnum
from typing import Protocol

from netemu.daemons.apiserver.refusals import status_of
from netemu.errors import ApiError, HostError
from netemu.host.contract import ExecSession

_WIDEST = 0xFFFF
"""What the kernel can say of a terminal's size."""


class Channel(IntEnum):
    """Numbers on the wire of WebSocket; names of streams elsewhere."""

    STDIN = 0
    STDOUT = 1
    STDERR = 2
    ERROR = 3
    RESIZE = 4


Heed = Callable[[Channel, bytes], Awaitable[None]]
"""Told of a channel and what came on it; empty data is the channel's end."""


class Channels(Protocol):
    """A client's end of a session."""

    async def receive(self, heed: Heed) -> None:
        """Call `heed` with what the client sends until it leaves."""

    async def send(self, channel: Channel, data: bytes) -> None:
        """Send output; ConnectionError once the client has left."""

    async def finish(self, ending: Ending) -> None:
        """Say how it ended, and hang up."""


class Ending:
    """How a session ended: what its last channel says of it."""

    def __init__(self, status: dict[str, object]) -> None:
        self._status = status

    @classmethod
    def of(cls, process: asyncio.Future[int]) -> Ending:
        """Return the ending of a process that has ended, or of a session that broke."""
        try:
            return cls(_exit_status(process.result()))
        except ApiError as error:
            return cls(status_of(error))
        except HostError as error:
            return cls(status_of(ApiError(500, "InternalError", str(error))))

    def status(self) -> bytes:
        """Return the Status, as protocols from v4 on have it."""
        return json.dumps(self._status).encode()

    def complaint(self) -> bytes:
        """Return what went wrong, as protocols before v4 have it; empty if nothing did."""
        return str(self._status.get("message", "")).encode()


def _exit_status(exit_code: int) -> dict[str, object]:
    if exit_code == 0:
        return {"metadata": {}, "status": "Success"}
    message = f"command terminated with non-zero exit code: exit status {exit_code}"
    return {
        "metadata": {},
        "status": "Failure",
        "message": message,
        "reason": "NonZeroExitCode",
        "details": {"causes": [{"reason": "ExitCode", "message": str(exit_code)}]},
    }


class Bridge:
    """One session and one client."""

    def __init__(self, channels: Channels, session: ExecSession) -> None:
        self._channels = channels
        self._session = session

    async def run(self, *, takes_stdin: bool) -> None:
        """Pump until the process has ended or the client has left."""
        self._takes_stdin = takes_stdin
        process = asyncio.ensure_future(self._pump_out())
        client = asyncio.ensure_future(self._channels.receive(self._heed))
        try:
            # The client may leave first; it is read all the time, for pings and for that.
            await asyncio.wait((process, client), return_when=asyncio.FIRST_COMPLETED)
            if process.done():
                await self._channels.finish(Ending.of(process))
        except ConnectionError:
            pass  # The client has left.
        finally:
            for task in (process, client):
                task.cancel()
            await asyncio.gather(process, client, return_exceptions=True)

    async def _pump_out(self) -> int:
        async for channel, data in self._session.output():
            await self._channels.send(Channel(channel), data)
        return await self._session.wait()

    async def _heed(self, channel: Channel, data: bytes) -> None:
        if channel is Channel.STDIN and not data:
            await self._session.close_stdin()
        elif channel is Channel.STDIN and self._takes_stdin:
            self._takes_stdin = await self._feed(data)
        elif channel is Channel.RESIZE:
            await self._resize(data)

    async def _feed(self, data: bytes) -> bool:
        """Write to the process; False when it reads no more, which ends nothing else."""
        try:
            await self._session.write_stdin(data)
        except (ConnectionError, HostError):
            return False
        return True

    async def _resize(self, data: bytes) -> None:
        try:
            size = json.loads(data)
            width, height = int(size["Width"]), int(size["Height"])
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
            return  # Not a size: no reason to end a session.
        if not (0 <= width <= _WIDEST and 0 <= height <= _WIDEST):
            return
        await self._session.resize(width=width, height=height)
