"""Watchers: they resume where they were cut, and compare what they saw with the ledger.

No version may be missing, come twice or out of order, whoever died in between; to be
told `410 Expired` is allowed only when history really is compacted, which within
seconds it is not.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from long.api_user import ApiUser, Lost
from long.churn import NAMESPACE
from long.ledger import Ledger, digest, revision_of, serial_of

_AGAIN_S = 0.03


@dataclass(frozen=True, slots=True)
class Seen:
    """One event."""

    type: str
    uid: str
    name: str
    revision: int
    serial: str
    digest: str
    colour: str


class Watcher:
    """Follows one resource of the churn's namespace, all of it or what a label selects."""

    def __init__(self, user: ApiUser, plural: str, *, group: str = "api/v1", labels: str = ""):
        self.plural = plural
        self.seen: list[Seen] = []
        self.begun = 0
        """So often: once, and then again after each cut."""
        self.revision = 0
        self._user = user
        self._path = f"/{group}/namespaces/{NAMESPACE}/{plural}"
        self._query = {"labelSelector": labels} if labels else {}
        self.present: dict[str, Seen] = {}
        """By uid."""

    async def begin(self) -> None:
        listing = await self._list()
        self.revision = revision_of(listing)
        self.present = {one.uid: one for one in (_seen("", obj) for obj in listing["items"])}

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            try:
                events = self._user.watch(
                    self._path, resourceVersion=str(self.revision), **self._query
                )
                async for event in events:
                    if event is None:
                        self.begun += 1
                    else:
                        self._take(event)
            except Lost:
                await asyncio.sleep(_AGAIN_S)

    def _take(self, event: Any) -> None:
        obj = event["object"]
        if event["type"] == "ERROR":
            raise AssertionError(f"{self._path} from {self.revision}: {obj}")
        revision = revision_of(obj)
        if event["type"] == "BOOKMARK":
            assert revision >= self.revision, f"{self._path}: a bookmark goes back to {revision}"
            self.revision = revision
            return
        seen = _seen(event["type"], obj)
        assert revision > self.revision, f"{self._path}: {seen} after {self.revision}"
        self.revision = revision
        there = seen.uid in self.present
        assert there == (seen.type != "ADDED"), f"{self._path}: {seen}, though there: {there}"
        if seen.type == "DELETED":
            del self.present[seen.uid]
        else:
            self.present[seen.uid] = seen
        self.seen.append(seen)

    async def _list(self) -> Any:
        query = "&".join(f"{key}={value}" for key, value in self._query.items())
        return await self._user.read(f"{self._path}?{query}")

    async def caught_up(self) -> None:
        """Wait until it has seen all that is there."""
        async with asyncio.timeout(20):
            while True:
                listed = {
                    (o["metadata"]["uid"], revision_of(o)) for o in (await self._list())["items"]
                }
                if listed == {(one.uid, one.revision) for one in self.present.values()}:
                    return
                await asyncio.sleep(0.1)


def _seen(type_: str, obj: Any) -> Seen:
    meta = obj["metadata"]
    return Seen(
        type_,
        meta["uid"],
        meta["name"],
        revision_of(obj),
        serial_of(obj),
        digest(obj),
        meta.get("labels", {}).get("colour", ""),
    )


def compare(watcher: Watcher, ledger: Ledger) -> int:
    """Compare what a watcher of everything saw with what was written; return the events."""
    lives: dict[str, list[Seen]] = {}
    for seen in watcher.seen:
        lives.setdefault(seen.uid, []).append(seen)
    for life in ledger.of(watcher.plural):
        events = lives.get(life.uid, [])
        versions = {event.revision: event for event in events}
        for write in life.writes:
            if write.revision:
                event = versions.get(write.revision)
                assert event is not None, f"{life.path}: no watch told of {write}"
                assert event.digest == write.digest, f"{life.path}: {event} is not {write}"
        told = _serials(events)
        written = [write.serial for write in life.writes if write.verb != "DELETE"]
        assert told == written, f"{life.path}: written {written}, told {told}"
        if watcher.plural == "configmaps":
            # Nobody else writes to them: a version more would be one too many.
            deleted = [event for event in events if event.type == "DELETED"]
            assert len(events) == len(life.writes), f"{life.path}: {life.writes} {events}"
            assert bool(deleted) == life.deleted, life.path
    return len(watcher.seen)


def _serials(events: list[Seen]) -> list[str]:
    """Return the contents that followed each other."""
    serials: list[str] = []
    for event in events:
        if event.serial and (not serials or serials[-1] != event.serial):
            serials.append(event.serial)
    return serials


def compare_selection(some: Watcher, everything: Watcher, colour: str) -> int:
    """Compare what a watcher with a label selector saw with what it should have seen."""
    expected, inside = [], set()
    for seen in everything.seen:
        was, holds = seen.uid in inside, seen.colour == colour and seen.type != "DELETED"
        (inside.add if holds else inside.discard)(seen.uid)
        if was or holds:
            type_ = ("MODIFIED" if was else "ADDED") if holds else "DELETED"
            expected.append((type_, seen.name, seen.revision))
    assert [(seen.type, seen.name, seen.revision) for seen in some.seen] == expected
    return len(some.seen)
