"""Whether the cache shows yet what a controller wrote.

A controller that counts Pods in a cache which lacks the ones it has just
created would create them again. So after each plan the loop notes what it
wrote, and does not reconcile that key before the informers have caught up:
revisions only grow, so a kind is caught up once any event of it is as new as
the write. A watch that loses events (it listed anew) must not stop a
controller for ever: debts expire.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from typing import Any

from netemu.client.informer import Informers
from netemu.core.control.contract import Reader
from netemu.model.keys import ObjectKey, key_of
from netemu.model.schema import ApiObject

Gone = tuple[type[ApiObject], ObjectKey, str]
"""A deleted object: kind, key and uid."""

EXPIRY_S = 30.0


@dataclass(slots=True)
class Writes:
    """What one plan wrote."""

    revisions: dict[type[ApiObject], int] = field(default_factory=dict)
    deleted: list[Gone] = field(default_factory=list)

    def wrote(self, obj: ApiObject) -> None:
        revision = obj.metadata.resource_version
        if revision.isdecimal():
            kind = type(obj)
            self.revisions[kind] = max(self.revisions.get(kind, 0), int(revision))

    def removed(self, obj: ApiObject) -> None:
        self.deleted.append((type(obj), key_of(obj), obj.metadata.uid))


@dataclass(slots=True)
class Debt:
    """Writes that the cache does not show yet."""

    open: int
    expires: float
    paid: Callable[[], None]

    def forgive(self) -> None:
        """Nobody waits for it any more."""
        self.paid = lambda: None

    def pay(self) -> None:
        self.open -= 1
        if not self.open:
            self.paid()


class OwnWrites:
    """Follows the informers of one process."""

    def __init__(self, reader: Reader, monotonic: Callable[[], float]) -> None:
        self._reader = reader
        self._monotonic = monotonic
        self._latest: dict[type[ApiObject], int] = {}
        self._by_revision: dict[type[ApiObject], list[tuple[int, int, Debt]]] = {}
        self._by_object: dict[tuple[type[ApiObject], ObjectKey], list[tuple[str, Debt]]] = {}
        self._tickets = count()

    def follow(self, informers: Informers, kinds: Iterable[type[ApiObject]]) -> None:
        """Subscribe; before the controllers do, so that their keys meet a settled account."""
        for kind in kinds:
            self._latest[kind] = 0
            informers.of(kind).subscribe(partial(self._seen, kind))

    def debt(self, writes: Writes, paid: Callable[[], None]) -> Debt | None:
        """What is not seen yet; None if nothing. `paid` is called once all of it is."""
        late = [
            (kind, revision)
            for kind, revision in writes.revisions.items()
            if kind in self._latest and revision > self._latest[kind]
        ]
        there = [gone for gone in writes.deleted if self._is_there(*gone)]
        if not late and not there:
            return None
        debt = Debt(len(late) + len(there), self._monotonic() + EXPIRY_S, paid)
        for kind, revision in late:
            heap = self._by_revision.setdefault(kind, [])
            heapq.heappush(heap, (revision, next(self._tickets), debt))
        for kind, key, uid in there:
            self._by_object.setdefault((kind, key), []).append((uid, debt))
        return debt

    def _is_there(self, kind: type[ApiObject], key: ObjectKey, uid: str) -> bool:
        cached = self._reader.get(kind, key)
        return (
            cached is not None
            and cached.metadata.uid == uid
            and not cached.metadata.deletion_timestamp
        )

    def _seen(self, kind: type[ApiObject], old: Any, new: Any) -> None:
        obj: ApiObject = new if new is not None else old
        revision = int(obj.metadata.resource_version or 0)
        self._latest[kind] = max(self._latest.get(kind, 0), revision)
        waiting = self._by_revision.get(kind)
        while waiting and waiting[0][0] <= self._latest[kind]:
            heapq.heappop(waiting)[2].pay()
        if self._by_object:
            self._settle_deletions(kind, key_of(obj))

    def _settle_deletions(self, kind: type[ApiObject], key: ObjectKey) -> None:
        owed = self._by_object.get((kind, key))
        if owed is None:
            return
        still = [(uid, debt) for uid, debt in owed if self._is_there(kind, key, uid)]
        paid = [debt for uid, debt in owed if not self._is_there(kind, key, uid)]
        if still:
            self._by_object[kind, key] = still
        else:
            del self._by_object[kind, key]
        for debt in paid:
            debt.pay()
