"""A queue of keys to work on, as client-go has it.

A key is in the queue at most once, however often it was added. It is given to one
worker at a time: added while a worker has it, it comes back when that worker is done.
So a controller's worker never races itself over one object, and a burst of changes to
an object costs one reconciliation.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)

_FIRST_RETRY_S = 0.005
_LONGEST_RETRY_S = 60.0


class WorkQueue(Generic[K]):
    """First in, first out; without duplicates; with delays and back-off."""

    def __init__(self) -> None:
        self._ready: deque[K] = deque()
        self._dirty: set[K] = set()
        """What needs work: queued, or added again while a worker has it."""
        self._processing: set[K] = set()
        self._failures: dict[K, int] = {}
        self._timers: dict[K, tuple[float, asyncio.Handle]] = {}
        """When a key is due, by the loop's clock. uvloop's handles do not all know."""
        self._sleepers: deque[asyncio.Future[None]] = deque()

    def __len__(self) -> int:
        return len(self._ready)

    @property
    def idle(self) -> bool:
        """Nothing is queued, being worked on, or waiting for its time."""
        return not (self._dirty or self._processing or self._timers)

    def add(self, key: K) -> None:
        if key in self._dirty:
            return
        self._dirty.add(key)
        if key not in self._processing:
            self._ready.append(key)
            self._wake_one()

    def add_after(self, key: K, seconds: float) -> None:
        """Add the key later; of several times the earliest counts."""
        if seconds <= 0:
            self.add(key)
            return
        loop = asyncio.get_running_loop()
        when = loop.time() + seconds
        waiting = self._timers.get(key)
        if waiting is not None:
            due, handle = waiting
            if due <= when:
                return
            handle.cancel()
        self._timers[key] = when, loop.call_at(when, self._add_now, key)

    def add_rate_limited(self, key: K) -> None:
        """Add the key after a pause that doubles with each failure in a row."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        self.add_after(key, min(_FIRST_RETRY_S * 2 ** min(failures, 20), _LONGEST_RETRY_S))

    def forget(self, key: K) -> None:
        """The key's work succeeded: its next failure is its first."""
        self._failures.pop(key, None)

    async def get(self) -> K:
        """Return the next key; call `done` with it afterwards, whatever happened."""
        while not self._ready:
            sleeper = asyncio.get_running_loop().create_future()
            self._sleepers.append(sleeper)
            try:
                await sleeper
            except asyncio.CancelledError:
                if sleeper.done() and not sleeper.cancelled():
                    self._wake_one()  # Its wake-up is another worker's now.
                raise
        key = self._ready.popleft()
        self._processing.add(key)
        self._dirty.discard(key)
        return key

    def done(self, key: K) -> None:
        self._processing.discard(key)
        if key in self._dirty:
            self._ready.append(key)
            self._wake_one()

    def _add_now(self, key: K) -> None:
        self._timers.pop(key, None)
        self.add(key)

    def _wake_one(self) -> None:
        while self._sleepers:
            sleeper = self._sleepers.popleft()
            if not sleeper.done():
                sleeper.set_result(None)
                return
