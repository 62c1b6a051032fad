"""How the watches of a store in this process learn that something was written.

A watch never misses a change and never queues one: it asks the store for all changes
after the last that it saw, and when there are none it waits for the next write.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

from netemu.storage.contract import Change


class Bell:
    """Rung after each write; wakes whoever waits."""

    def __init__(self) -> None:
        self._sleepers: set[asyncio.Future[None]] = set()
        self.closed = False

    def ring(self) -> None:
        for sleeper in self._sleepers:
            if not sleeper.done():
                sleeper.set_result(None)
        self._sleepers.clear()

    def close(self) -> None:
        self.closed = True
        self.ring()

    async def wait(self) -> None:
        if self.closed:
            return
        sleeper = asyncio.get_running_loop().create_future()
        self._sleepers.add(sleeper)
        try:
            await sleeper
        finally:
            self._sleepers.discard(sleeper)


async def follow(
    changes: Callable[[int], Awaitable[Sequence[Change]]],
    bell: Bell,
    *,
    after: int,
    newest: Callable[[], int],
) -> AsyncIterator[Change]:
    """Yield what `changes` returns, again after each ring, until the bell is closed."""
    seen = after
    while not bell.closed:
        # What others write counts as seen, too: else it might be compacted under this watch.
        settled = newest()
        for change in await changes(seen):
            seen = change.revision
            yield change
        seen = max(seen, settled)
        if newest() <= seen:
            await bell.wait()
