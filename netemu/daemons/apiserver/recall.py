"""Watches that begin before what the caches remember: their past is in the store.

A cache knows the present and a minute of the past, and after a start nothing of the
past at all. The store knows all that is not compacted. So a client whose watch was cut
by the death of the server resumes where it was, and misses nothing.
"""

from __future__ import annotations

import asyncio

from netemu.daemons.apiserver import versions
from netemu.daemons.apiserver.cache import ResourceCache
from netemu.daemons.apiserver.refusals import too_old
from netemu.daemons.apiserver.selection import Selection
from netemu.daemons.apiserver.watching import Happening, Kept, Watcher
from netemu.model.kinds import Resource
from netemu.storage.contract import Compacted, Store

_BREATH = 100
"""So many versions are decoded before others have their turn."""


async def watch(store: Store, cache: ResourceCache, selection: Selection, *, after: int) -> Watcher:
    """Open a watch that begins behind a revision. ApiError 410 if that is compacted."""
    recalled: list[Happening] = []
    known = after
    while known < cache.forgotten:
        newest = store.revision
        recalled += await _happened(store, cache.resource, after=known)
        known = newest
    return cache.watch(selection, after=after, recalled=recalled, known=known)


async def _happened(store: Store, resource: Resource, *, after: int) -> list[Happening]:
    below = versions.prefix(resource)
    try:
        changes = await store.changes(after=after, prefix=below)
        before = await store.list_at(below, after) if changes else []
    except Compacted as error:
        raise too_old(after, error.oldest) from error
    undecoded = {entry.key: entry for entry in before}
    latest: dict[str, Kept | None] = {}
    happened = []
    for number, change in enumerate(changes, 1):
        key = change.key
        if key not in latest:
            latest[key] = None
            if entry := undecoded.get(key):
                latest[key] = versions.decode(resource, entry.value, entry.revision)
        kept = versions.decode(resource, change.value, change.revision)
        happened.append(versions.happening(kept, latest[key], deleted=change.deleted))
        latest[key] = None if change.deleted else kept
        if number % _BREATH == 0:
            await asyncio.sleep(0)
    return happened
