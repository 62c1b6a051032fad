"""Sessions that start no process: attaching to a container, and an exec that failed.

The first process's streams are the zygote's, which writes them to the log; whoever
attaches follows that. Input was decided when the container started: there is none.
A program that is not there ends its session like one that said so: a refusal before
the upgrade would make kubectl try an older protocol and show that one's complaint.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

_NO_INPUT = b"netemu: a container's input cannot be attached to yet: use exec\r\n"


class AttachedLog:
    """Keeps `ExecSession`; it ends when the container does."""

    def __init__(
        self, log: AsyncIterator[bytes], *, exit_code: Callable[[], int], wants_input: bool
    ) -> None:
        self._log = log
        self._exit_code = exit_code
        self._wants_input = wants_input
        self._ended = asyncio.Event()

    async def write_stdin(self, data: bytes) -> None:
        del data

    async def close_stdin(self) -> None:
        pass

    async def resize(self, *, width: int, height: int) -> None:
        del width, height

    async def output(self) -> AsyncIterator[tuple[int, bytes]]:
        if self._wants_input:
            yield 2, _NO_INPUT
        async for data in self._log:
            yield 1, data
        self._ended.set()

    async def wait(self) -> int:
        await self._ended.wait()
        return self._exit_code()

    async def kill(self) -> None:
        """Leave; the container goes on."""
        self._ended.set()


class RefusedExec:
    """Keeps `ExecSession` for a program that could not be started."""

    def __init__(self, why: str, *, exit_code: int) -> None:
        self._why = why
        self._exit_code = exit_code

    async def write_stdin(self, data: bytes) -> None:
        del data

    async def close_stdin(self) -> None:
        pass

    async def resize(self, *, width: int, height: int) -> None:
        del width, height

    async def output(self) -> AsyncIterator[tuple[int, bytes]]:
        yield 2, f"{self._why}\n".encode()

    async def wait(self) -> int:
        return self._exit_code

    async def kill(self) -> None:
        pass
