"""Reading container logs: what there is, and, followed, what comes.

A run's log is one file in CRI form that the zygote writes. While it is followed the
file is looked at a few times a second; when the run has ended and the file is read to
its end, so is the stream.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterator
from typing import BinaryIO

from netemu.core.kubelet.cri_log import LogFilter

_CHUNK = 64 * 1024
_LOOK_EVERY_S = 0.1


async def read(
    path: str, chosen: LogFilter, *, follow: bool, running: Callable[[], bool]
) -> AsyncIterator[bytes]:
    """Yield the log's text; FileNotFoundError if there is no file."""
    file = open(path, "rb")  # noqa: SIM115, ASYNC230 - a local file; rotation swaps it.
    try:
        ended = not running()
        lines = _Lines()
        end = os.fstat(file.fileno()).st_size
        if chosen.tail_lines is not None:
            for data in await asyncio.to_thread(_tail, file, end, lines, chosen):
                yield data
        while not chosen.full:
            piece = file.read(_CHUNK if follow else min(_CHUNK, end - file.tell()))
            if piece:
                for data in _joined(chosen.more(line) for line in lines.feed(piece)):
                    yield data
                await asyncio.sleep(0)  # A long log is read in slices: others have their turns.
            elif not follow:
                return
            elif _rotated(file, path):
                file.close()
                file = open(path, "rb")  # noqa: SIM115, ASYNC230
            elif ended:
                return
            else:
                ended = not running()  # Then one more look: the last words may be new.
                await asyncio.sleep(0 if ended else _LOOK_EVERY_S)
    finally:
        file.close()


def _tail(file: BinaryIO, end: int, lines: _Lines, chosen: LogFilter) -> list[bytes]:
    pieces = iter(lambda: file.read(min(_CHUNK, end - file.tell())), b"")
    return list(_joined(chosen.first(line for piece in pieces for line in lines.feed(piece))))


def _rotated(file: BinaryIO, path: str) -> bool:
    """Whether the path leads to another file by now."""
    try:
        return os.fstat(file.fileno()).st_ino != os.stat(path).st_ino
    except FileNotFoundError:
        return False  # Removed, or between two names.


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
