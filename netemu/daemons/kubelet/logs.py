"""Reading container logs: what there is, and, followed, what comes.

A run's log is one file in CRI form that the zygote writes. While it is followed the
file is looked at a few times a second; when the run has ended and the file is read to
its end, so is the stream.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator

from netemu.core.kubelet.cri_log import LogFilter

_CHUNK = 64 * 1024
_LOOK_EVERY_S = 0.1


async def read(
    path: str, chosen: LogFilter, *, follow: bool, running: Callable[[], bool]
) -> AsyncIterator[bytes]:
    """Yield the log's text; FileNotFoundError if there is no file."""
    with open(path, "rb") as file:  # noqa: ASYNC230 - a local file, read in small pieces.
        ended = not running()
        lines = _Lines()
        first = list(lines.feed(file.read()))
        for data in _joined(chosen.first(first)):
            yield data
        if not follow:
            return
        while not chosen.full:
            piece = file.read(_CHUNK)
            if piece:
                for data in _joined(chosen.more(line) for line in lines.feed(piece)):
                    yield data
            elif ended:
                return
            else:
                ended = not running()  # Then one more look: the last words may be new.
                await asyncio.sleep(0 if ended else _LOOK_EVERY_S)


class _Lines:
    """Cuts bytes into lines; an unfinished one waits for its rest."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[bytes]:
        *lines, self._rest = (self._rest + data).split(b"\n")
        return lines


def _joined(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Yield fewer, larger pieces."""
    held: list[bytes] = []
    size = 0
    for piece in pieces:
        held.append(piece)
        size += len(piece)
        if size >= _CHUNK:
            yield b"".join(held)
            held, size = [], 0
    if held:
        yield b"".join(held)
