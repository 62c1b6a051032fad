"""A container's output as an exec session: what `kubectl attach` joins.

The first process's streams are the zygote's, which writes them to the log; whoever
attaches follows that. Input was decided when the container started: there is none.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable


class AttachedLog:
    """Keeps `ExecSession`; it ends when the container does."""

    def __init__(self, log: AsyncIterator[bytes], *, exit_code: Callable[[], int]) -> None:
        self._log = log
        self._exit_code = exit_code
        self._ended = asyncio.Event()

    async def write_stdin(self, data: bytes) -> None:
        del data

    async def close_stdin(self) -> None:
        pass

    async def resize(self, *, width: int, height: int) -> None:
        del width, height

    async def output(self) -> AsyncIterator[tuple[int, bytes]]:
        async for data in self._log:
            yield 1, data
        self._ended.set()

    async def wait(self) -> int:
        await self._ended.wait()
        return self._exit_code()

    async def kill(self) -> None:
        """Leave; the container goes on."""
        self._ended.set()
