"""What was written reaches the disk within a second, for the day on which the host crashes.

Having the disk confirm each write before it is acknowledged would take milliseconds a
write, in the daemon's one thread. So writes are left to the kernel, which would take half
a minute, and hurried once a second, by a thread, as long as there are any.
"""

from __future__ import annotations

import asyncio
import logging
import os
from pathlib import Path
from typing import Final

log = logging.getLogger(__name__)

WITHIN_S: Final = 1.0


class Flushing:
    """Hurries what is written to one file."""

    def __init__(self, path: Path, *, within_s: float = WITHIN_S) -> None:
        self._path = path
        self._within_s = within_s
        self._timer: asyncio.TimerHandle | None = None

    def due(self) -> None:
        """Something has been written: the disk has it in a second."""
        if self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(self._within_s, self._begin, loop)

    def close(self) -> None:
        """Have the disk confirm now what is due."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            flush(self._path)

    def _begin(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None  # What is written from now on is the next one's.
        loop.run_in_executor(None, flush, self._path)


def flush(path: Path) -> None:
    """Wait until the disk has the file. Gone is success: its contents are elsewhere."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        os.fdatasync(descriptor)
    except OSError as error:
        log.warning("%s does not reach the disk: %s", path, error.strerror)
    finally:
        os.close(descriptor)
