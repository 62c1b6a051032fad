"""The Pods that wait for a Node.

*Active* ones are next, by priority and then by age. One that found no Node is
*parked* until something happens that could change the mind of a filter that
was in its way; then it becomes active again, but not before its back-off (1 s,
doubling, at most 10 s) is over. Nobody is parked longer than five minutes.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from itertools import count

from netemu.core.scheduling.contract import Wake
from netemu.model.keys import ObjectKey

FIRST_BACKOFF_S = 1.0
LONGEST_BACKOFF_S = 10.0
LONGEST_PARKED_S = 300.0


@dataclass(slots=True)
class _Parked:
    priority: int
    since: float
    plugins: frozenset[str]


@dataclass(slots=True)
class SchedulingQueue:
    """All times are monotonic seconds, told by the caller."""

    retry_on: dict[str, frozenset[Wake]]
    """By filter."""
    _active: list[tuple[int, int, ObjectKey]] = field(default_factory=list)
    _backing_off: list[tuple[float, int, int, ObjectKey]] = field(default_factory=list)
    _parked: dict[ObjectKey, _Parked] = field(default_factory=dict)
    _tickets: dict[ObjectKey, int] = field(default_factory=dict)
    """The valid entry of each key in one of the heaps; others are left-overs."""
    _attempts: dict[ObjectKey, tuple[int, float]] = field(default_factory=dict)
    """How often a Pod was tried, and when last."""
    _counter: count[int] = field(default_factory=count)

    def __len__(self) -> int:
        return len(self._tickets) + len(self._parked)

    def add(self, key: ObjectKey, priority: int) -> None:
        """A new Pod, or one whose own change may make it fit."""
        self._parked.pop(key, None)
        ticket = self._tickets[key] = next(self._counter)
        heapq.heappush(self._active, (-priority, ticket, key))

    def remove(self, key: ObjectKey) -> None:
        self._parked.pop(key, None)
        self._tickets.pop(key, None)
        self._attempts.pop(key, None)

    def pop(self, now: float) -> ObjectKey | None:
        """The next Pod to try."""
        self._activate(now)
        while self._active:
            _, ticket, key = heapq.heappop(self._active)
            if self._tickets.get(key) == ticket:
                del self._tickets[key]
                tried, _ = self._attempts.get(key, (0, now))
                self._attempts[key] = (tried + 1, now)
                return key
        return None

    def park(self, key: ObjectKey, priority: int, plugins: frozenset[str], now: float) -> None:
        """No Node for it: until something changes for one of these filters."""
        self._tickets.pop(key, None)
        self._parked[key] = _Parked(priority, now, plugins)

    def retry(self, key: ObjectKey, priority: int, now: float) -> None:
        """Something went wrong that no event will mend: again after the back-off."""
        self._back_off(key, priority, now)

    def wake(self, what: Wake, now: float) -> None:
        if not self._parked:
            return
        for key, parked in list(self._parked.items()):
            if not parked.plugins or any(
                what in self.retry_on.get(plugin, ()) for plugin in parked.plugins
            ):
                self._back_off(key, parked.priority, now)

    def next_in_s(self, now: float) -> float | None:
        """Seconds until `pop` may have something; None if only an event can bring it."""
        if self._active:
            return 0.0
        due = [self._backing_off[0][0]] if self._backing_off else []
        if self._parked:
            due.append(min(parked.since for parked in self._parked.values()) + LONGEST_PARKED_S)
        return max(0.0, min(due) - now) if due else None

    def _back_off(self, key: ObjectKey, priority: int, now: float) -> None:
        self._parked.pop(key, None)
        tried, last = self._attempts.get(key, (0, now))
        wait_s = min(FIRST_BACKOFF_S * 2 ** max(0, tried - 1), LONGEST_BACKOFF_S)
        ticket = self._tickets[key] = next(self._counter)
        heapq.heappush(self._backing_off, (max(now, last + wait_s), ticket, priority, key))

    def _activate(self, now: float) -> None:
        while self._backing_off and self._backing_off[0][0] <= now:
            _, ticket, priority, key = heapq.heappop(self._backing_off)
            if self._tickets.get(key) == ticket:
                heapq.heappush(self._active, (-priority, ticket, key))
        for key, parked in list(self._parked.items()):
            if now - parked.since >= LONGEST_PARKED_S:
                self.add(key, parked.priority)
