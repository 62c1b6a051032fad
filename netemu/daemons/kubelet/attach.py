"""Sessions of a kubelet's own: attaching to a container, and an exec that failed.

The first process's streams are the zygote's, which tells whoever attaches what comes.
Whoever attaches to a young container is told what it has said before, too: so `kubectl
run --attach`, which comes after the start, misses nothing.
A program that is not there ends its session like one that said so: a refusal before
the upgrade would make kubectl try an older protocol and show that one's complaint.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from netemu.core.kubelet.cri_log import parse
from netemu.host.contract import AttachSession

NO_INPUT = b"netemu: this container has no input (no `stdin: true`): what is typed is lost\r\n"
INPUT_ENDED = b"netemu: this container's input has ended: what is typed is lost\r\n"
_CHANNELS = {"stdout": 1, "stderr": 2}


class Attached:
    """Keeps `ExecSession`: first what the container has said before, then what it says."""

    def __init__(self, session: AttachSession, before: Sequence[tuple[int, bytes]]) -> None:
        self._session = session
        self._before = before

    async def output(self) -> AsyncIterator[tuple[int, bytes]]:
        for piece in self._before:
            yield piece
        async for piece in self._session.output():
            yield piece

    async def write_stdin(self, data: bytes) -> None:
        if self._session.has_input:
            await self._session.write_stdin(data)

    async def close_stdin(self) -> None:
        if self._session.has_input:
            await self._session.close_stdin()

    async def resize(self, *, width: int, height: int) -> None:
        await self._session.resize(width=width, height=height)

    async def wait(self) -> int:
        return await self._session.wait()

    async def kill(self) -> None:
        """Leave; the container goes on."""
        await self._session.kill()


def read_before(path: str, size: int) -> list[tuple[int, bytes]]:
    """Return what a log says in its first bytes: (1 for stdout or 2 for stderr, text)."""
    try:
        with open(path, "rb") as file:
            lines = file.read(size).split(b"\n")
    except FileNotFoundError:
        return []
    found = [line for text in lines if (line := parse(text))]
    return [(_CHANNELS[line.stream], line.render(timestamps=False)) for line in found]


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
