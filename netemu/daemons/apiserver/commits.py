"""The last steps of a write: addresses and ports, the store, the cache, the watchers.

What is written here has been decided on: nobody else writes between the decision and
these steps. That is for the caller to see to; `Registry` has a lock for it.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any, cast

from netemu.core.apiserver import validation
from netemu.core.apiserver.allocation import ServiceAllocator
from netemu.daemons.apiserver import versions
from netemu.daemons.apiserver.cache import ResourceCache
from netemu.daemons.apiserver.refusals import conflict
from netemu.daemons.apiserver.watching import Kept
from netemu.errors import ApiError, HostError
from netemu.model.core_v1 import Service
from netemu.model.kinds import Resource
from netemu.model.schema import ApiObject
from netemu.storage.contract import RevisionConflict, Store


class Commits:
    """Where writes meet the store."""

    def __init__(
        self, store: Store, allocator: ServiceAllocator, caches: Mapping[str, ResourceCache]
    ) -> None:
        self.allocator = allocator
        self.count = 0
        """How many there were."""
        self._store = store
        self._caches = caches

    def allocate(
        self, resource: Resource, new: ApiObject, old: ApiObject | None, *, dry_run: bool
    ) -> None:
        """Give a Service the addresses and ports that it asks for; ApiError if it cannot be."""
        if not isinstance(new, Service):
            return
        before = cast("Service | None", old)
        refuse(resource, new, self.allocator.allocate(new, before, secrets.randbelow))
        if dry_run:
            self.allocator.revert(new, before)

    async def commit(
        self, resource: Resource, obj: ApiObject, old: Kept | None, *, deleted: bool = False
    ) -> Kept:
        """Store `obj` in the place of `old` and tell everyone; ApiError if `old` is not there."""
        # The object says its revision itself, so the revision is foreseen; a store that
        # others write to as well may give another, and then the object is stamped again.
        foreseen = self._store.revision + 1
        kept = versions.stamped(obj, foreseen)
        write = self._store.delete if deleted else self._store.put
        expected = old.revision if old else 0
        try:
            revision = await write(versions.key(resource, obj), kept.encoded, expected=expected)
        except RevisionConflict as error:
            raise conflict(resource, obj.metadata.name) from error
        except HostError as error:
            if isinstance(obj, Service):
                self.allocator.revert(obj, cast("Service | None", old and old.obj))
            raise ApiError(500, "InternalError", str(error)) from error
        if revision != foreseen:
            kept = versions.stamped(obj, revision)
        self.count += 1
        self._caches[resource.plural].apply(versions.happening(kept, old, deleted=deleted))
        return kept

    async def remove(self, resource: Resource, last: ApiObject, old: Kept) -> Kept:
        """Delete `old`, of which `last` is the last version."""
        kept = await self.commit(resource, last, old, deleted=True)
        if isinstance(last, Service):
            self.allocator.release(last)
        return kept


def refuse(resource: Resource, obj: ApiObject, errors: list[Any]) -> None:
    """ApiError 422 with what is wrong, if anything is."""
    if errors:
        raise validation.invalid(resource, obj.metadata.name, errors)
