"""Watches: how a write reaches everyone who waits for it, at the cost of one.

A write becomes one `Happening`. What a watcher sees of it depends on its selection: an
object that begins to match is ADDED, one that ceases to is DELETED. There are few
different sights of one happening, so each is made once and shared: the event object by
the components in this process, the encoded line by the connections of all others.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from netemu.client.contract import EventType, WatchEvent
from netemu.daemons.apiserver.selection import Selection
from netemu.model.schema import ApiObject

_MOST_WAITING = 50_000
"""A watcher that lags by so many events is cut off: it lists again."""


@dataclass(frozen=True, slots=True)
class Kept:
    """One version of one object, decoded and encoded. Never changed."""

    obj: ApiObject
    encoded: bytes
    revision: int


class Sight:
    """What some watchers see of a happening."""

    __slots__ = ("_event", "_line", "kept", "type")

    def __init__(self, type: EventType, kept: Kept) -> None:
        self.type = type
        self.kept = kept
        self._event: WatchEvent[Any] | None = None
        self._line = b""

    @property
    def event(self) -> WatchEvent[Any]:
        if self._event is None:
            self._event = WatchEvent(self.type, self.kept.obj)
        return self._event

    @property
    def line(self) -> bytes:
        """The event as one line of a watch's body."""
        if not self._line:
            self._line = watch_line(self.type, self.kept.encoded)
        return self._line


class Happening:
    """One write: the version before it, if there was one, and the version it left."""

    __slots__ = ("_came", "_left", "deleted", "new", "old", "plain", "seconds", "stamp")

    def __init__(
        self,
        new: Kept,
        old: Kept | None,
        *,
        deleted: bool,
        seconds: float,
        stamp: Callable[[Kept, int], Kept],
    ) -> None:
        self.new = new
        self.old = old
        self.deleted = deleted
        self.seconds = seconds
        """The event loop's time, for forgetting it later."""
        self.stamp = stamp
        """Makes the version that a selection's leaver is shown: old content, new revision."""
        type = EventType.DELETED if deleted else EventType.MODIFIED if old else EventType.ADDED
        self.plain = Sight(type, new)
        self._came: Sight | None = None
        self._left: Sight | None = None

    @property
    def revision(self) -> int:
        return self.new.revision

    def seen_with(self, selection: Selection) -> Sight | None:
        """Return what a watcher with this selection sees, if anything."""
        if selection.everything:
            return self.plain
        # An object's namespace and name never change: they need no second look.
        if not selection.holds_place(self.new.obj):
            return None
        if not selection.by_content:
            return self.plain
        was = self.old is not None and selection.holds_content(self.old.obj)
        if self.deleted:
            return self.plain if was else None
        if not selection.holds_content(self.new.obj):
            return self._exited() if was else None
        return self.plain if was or self.old is None else self._entered()

    def _entered(self) -> Sight:
        if self._came is None:
            self._came = Sight(EventType.ADDED, self.new)
        return self._came

    def _exited(self) -> Sight:
        if self._left is None:
            assert self.old is not None
            self._left = Sight(EventType.DELETED, self.stamp(self.old, self.revision))
        return self._left


class Watcher:
    """One open watch: what it has not yet fetched, and a way to wait for more."""

    def __init__(
        self, selection: Selection, *, after: int, leave: Callable[[Watcher], None]
    ) -> None:
        self.selection = selection
        self._after = after
        self._waiting: deque[Sight] = deque()
        self._sleeper: asyncio.Future[None] | None = None
        self._leave = leave
        self._ended = False

    def offer(self, happening: Happening) -> None:
        sight = happening.seen_with(self.selection)
        # A watch may begin at a revision that is yet to come.
        if sight is None or sight.kept.revision <= self._after:
            return
        self._waiting.append(sight)
        if self._sleeper is not None:
            self._wake()
        if len(self._waiting) > _MOST_WAITING:
            self.close()

    def fetch(self) -> WatchEvent[Any] | None:
        """Return the next event if there is one already."""
        return self._waiting.popleft().event if self._waiting else None

    def fetch_all(self) -> list[Sight]:
        fetched = list(self._waiting)
        self._waiting.clear()
        return fetched

    async def wait(self) -> bool:
        """Wait until there is an event; False when there will be none any more."""
        while not self._waiting:
            if self._ended:
                return False
            self._sleeper = asyncio.get_running_loop().create_future()
            try:
                await self._sleeper
            finally:
                self._sleeper = None
        return True

    def close(self) -> None:
        self._ended = True
        self._leave(self)
        self._wake()

    def _wake(self) -> None:
        if self._sleeper is not None and not self._sleeper.done():
            self._sleeper.set_result(None)


def watch_line(type: EventType | str, encoded: bytes) -> bytes:
    return b'{"type":"%b","object":%b}\n' % (str(type).encode(), encoded)
