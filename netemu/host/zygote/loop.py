"""Who waits for which descriptor: epoll, in plain Python.

asyncio would leave every forked child a loop, a self-pipe and a signal handler
to get rid of; this is a dictionary.
"""

from __future__ import annotations

import contextlib
import select
from collections.abc import Callable

READ = select.EPOLLIN | select.EPOLLRDHUP | select.EPOLLHUP
WRITE = select.EPOLLOUT


class Loop:
    """Calls each descriptor's callback with the events that are there."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._callbacks: dict[int, Callable[[int], None]] = {}
        self._stopped = False

    def watch(self, fd: int, callback: Callable[[int], None], events: int = READ) -> None:
        if fd in self._callbacks:
            self._epoll.modify(fd, events)
        else:
            self._epoll.register(fd, events)
        self._callbacks[fd] = callback

    def forget(self, fd: int) -> None:
        if self._callbacks.pop(fd, None) is not None:
            with contextlib.suppress(OSError):
                self._epoll.unregister(fd)

    def stop(self) -> None:
        self._stopped = True

    def run(self) -> None:
        while not self._stopped:
            self.turn()

    def turn(self, timeout_s: float = -1) -> None:
        """Wait for something, then call everything that it concerns."""
        for fd, events in self._epoll.poll(timeout_s, 64):
            # An earlier callback of this turn may have closed it.
            if (callback := self._callbacks.get(fd)) is not None:
                callback(events)
