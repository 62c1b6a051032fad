"""The engine: where every read is answered and every write is made.

All objects are in memory, decoded and encoded; a read never touches the store. A write
is one straight line: prepare, default, admit, validate, compare and swap in the store,
then the cache, then the watchers (`commits.py`). One lock makes the lines follow each
other, so that what a write was decided on is what it is applied to. The decisions are
`netemu.core.apiserver`'s; here they only meet the objects that they are about.
"""

from __future__ import annotations

import asyncio
import secrets
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar, cast

import msgspec

from netemu.core.apiserver import admission, defaults, deletion, patch, strategy, validation
from netemu.core.apiserver.allocation import ServiceAllocator
from netemu.daemons.apiserver import managers, patience, recall, versions
from netemu.daemons.apiserver.cache import ResourceCache
from netemu.daemons.apiserver.commits import Commits, refuse
from netemu.daemons.apiserver.consistency import (
    check_kind,
    check_name,
    check_preconditions,
    converted,
    place,
)
from netemu.daemons.apiserver.refusals import already_exists, not_found
from netemu.daemons.apiserver.selection import Selection
from netemu.daemons.apiserver.watching import Kept, Watcher
from netemu.errors import ApiError
from netemu.model import codec
from netemu.model.clock import format_time
from netemu.model.core_v1 import Namespace, Pod, Service, ServiceAccount
from netemu.model.kinds import RESOURCES, Resource, by_type
from netemu.model.meta_v1 import DeleteOptions, ObjectMeta, Preconditions
from netemu.model.schema import ApiObject, Kinded, Time
from netemu.storage.contract import Store

T = TypeVar("T", bound=ApiObject)

_SUFFIX_LETTERS = "bcdfghjklmnpqrstvwxz2456789"
_NAME_ATTEMPTS = 8


@dataclass(frozen=True, slots=True)
class Deleted:
    """What a DELETE did: the object's last version so far, and the reply."""

    kept: Kept
    answer: Kinded
    """What the client is told: the object, or a Status that says that it is gone."""


class Registry:
    """All objects of the cluster, and the only way to change them."""

    def __init__(
        self,
        *,
        store: Store,
        allocator: ServiceAllocator,
        clock: Callable[[], datetime],
        toleration_s: int = admission.TOLERATION_S,
    ) -> None:
        self._store = store
        self._toleration_s = toleration_s
        self._clock = clock
        self._lock = asyncio.Lock()
        self._caches = {resource.plural: ResourceCache(resource) for resource in RESOURCES}
        self._commits = Commits(store, allocator, self._caches)

    # Reads.

    @property
    def revision(self) -> int:
        return self._store.revision

    @property
    def writes(self) -> int:
        return self._commits.count

    @property
    def watchers(self) -> int:
        return sum(cache.watchers for cache in self._caches.values())

    def cache(self, resource: Resource) -> ResourceCache:
        return self._caches[resource.plural]

    def caches(self) -> list[ResourceCache]:
        return [*self._caches.values()]

    def get(self, kind: type[T], name: str, namespace: str = "") -> T | None:
        """Return an object by its type: how admission and authentication look around."""
        kept = self._caches[by_type(kind).plural].get(namespace, name)
        return cast("T", kept.obj) if kept else None

    def read(self, resource: Resource, namespace: str, name: str) -> Kept:
        kept = self.cache(resource).get(namespace, name)
        if kept is None:
            raise not_found(resource, name)
        return kept

    async def watch(self, resource: Resource, selection: Selection, *, after: int) -> Watcher:
        """Open a watch behind any revision that is not compacted; else ApiError 410."""
        return await recall.watch(self._store, self.cache(resource), selection, after=after)

    # Writes.

    async def create(
        self, resource: Resource, obj: ApiObject, *, namespace: str = "", dry_run: bool = False
    ) -> Kept:
        """Store a fresh object, which is the registry's from now on."""
        place(resource, obj, namespace)
        if patience.uses_default_account(obj):
            await self._ready_for_pods(obj.metadata.namespace)
        async with self._lock:
            return await self._create(resource, obj, dry_run=dry_run)

    async def update(
        self,
        resource: Resource,
        obj: ApiObject,
        *,
        namespace: str,
        name: str,
        subresource: str = "",
        dry_run: bool = False,
        manager: str = "",
    ) -> Kept:
        """Replace an object by a fresh one, which is the registry's from now on."""
        place(resource, obj, namespace)
        check_name(obj, name)
        async with self._lock:
            old = self.read(resource, namespace, name)
            return await self._replace(resource, obj, old, subresource, manager, dry_run=dry_run)

    async def change(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        decide: Callable[[Any], ApiObject],
        *,
        dry_run: bool = False,
    ) -> Kept:
        """Replace an object by what our own `decide` makes of the present one: a copy."""
        async with self._lock:
            old = self.read(resource, namespace, name)
            new = decide(old.obj)
            if dry_run or strategy.is_noop(new, old.obj):
                return old
            return await self._commits.commit(resource, new, old)

    async def patch(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        body: Any,
        patch_type: str,
        *,
        subresource: str = "",
        dry_run: bool = False,
        manager: str = "",
        on_unknown: Callable[[list[str]], None] = lambda _unknown: None,
    ) -> Kept:
        """Apply a patch; `on_unknown` hears of fields that the patched object cannot have."""

        def patched(old: ApiObject) -> ApiObject:
            merged = patch.apply_patch(resource.type, codec.to_dict(old), body, patch_type)
            check_kind(resource, merged)
            obj, unknown = converted(resource, merged)
            on_unknown(unknown)
            check_name(obj, name)
            place(resource, obj, namespace)
            return obj

        async with self._lock:
            old = self.read(resource, namespace, name)
            new = patched(old.obj)
            return await self._replace(resource, new, old, subresource, manager, dry_run=dry_run)

    async def apply(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        wanted: Any,
        *,
        manager: str,
        force: bool,
        subresource: str = "",
        dry_run: bool = False,
    ) -> tuple[Kept, bool]:
        """Make the object as `manager` wants it; say whether it was created."""
        if resource.type is Pod and not self.cache(resource).get(namespace, name):
            await self._ready_for_pods(namespace)
        async with self._lock:
            old = self.cache(resource).get(namespace, name)
            new = managers.applied(
                resource,
                old,
                wanted,
                namespace=namespace,
                name=name,
                manager=manager,
                force=force,
                subresource=subresource,
                now=self._now(),
            )
            if old is None:
                return await self._create(resource, new, dry_run=dry_run), True
            return await self._replace(resource, new, old, subresource, dry_run=dry_run), False

    async def delete(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        options: DeleteOptions,
    ) -> Deleted:
        """Do what a DELETE with these options does; the options say if it is a dry run."""
        async with self._lock:
            old = self.read(resource, namespace, name)
            admission.admit(old.obj, resource=resource, operation="DELETE", lookup=self)
            plan = deletion.plan_delete(old.obj, options, resource=resource, now=self._now())
            kept = old
            if options.dry_run:
                kept = Kept(plan.object, codec.encode(plan.object), old.revision)
            elif plan.remove:
                kept = await self._commits.remove(resource, plan.object, old)
            elif plan.changed:
                kept = await self._commits.commit(resource, plan.object, old)
            return Deleted(kept, plan.answer)

    async def delete_collection(
        self,
        resource: Resource,
        selection: Selection,
        options: DeleteOptions,
    ) -> list[Kept]:
        deleted = []
        for kept in list(self.cache(resource).select(selection)):
            meta = kept.obj.metadata
            # Another object of that name, made meanwhile, need not be selected.
            same = msgspec.structs.replace(options, preconditions=_the_very(meta, options))
            try:
                done = await self.delete(resource, meta.namespace, meta.name, same)
            except ApiError as error:
                if not (error.not_found or (error.conflict and self._is_another(resource, meta))):
                    raise
            else:
                deleted.append(done.kept)
        return deleted

    def _is_another(self, resource: Resource, meta: ObjectMeta) -> bool:
        kept = self.cache(resource).get(meta.namespace, meta.name)
        return kept is None or kept.obj.metadata.uid != meta.uid

    # The life of the registry.

    async def load(self) -> None:
        """Fill the caches from the store. Watches may resume at its newest revision."""
        began = self._store.revision
        for cache in self._caches.values():
            for entry in await self._store.list(versions.prefix(cache.resource)):
                cache.load(versions.decode(cache.resource, entry.value, entry.revision))
            cache.forget_before(began)
        for service in self.cache(by_type(Service)).select(Selection()):
            self._commits.allocator.adopt(cast("Service", service.obj))

    async def compact(self, *, keep: int) -> None:
        """Let the store forget all but the last `keep` changes, and the caches what is old."""
        now = asyncio.get_running_loop().time()
        for cache in self._caches.values():
            cache.forget_old(now)
        await self._store.compact(max(0, self._store.revision - keep))

    def close(self) -> None:
        for cache in self._caches.values():
            cache.close()

    # How a write is made.

    async def _ready_for_pods(self, name: str) -> None:
        namespace = self.get(Namespace, name)
        if namespace is not None and not namespace.metadata.deletion_timestamp:
            await patience.default_account(self.cache(by_type(ServiceAccount)), name)

    async def _create(self, resource: Resource, obj: ApiObject, *, dry_run: bool) -> Kept:
        defaults.apply_defaults(obj)
        self._prepare_create(resource, obj)
        admission.admit(
            obj,
            resource=resource,
            operation="CREATE",
            lookup=self,
            toleration_s=self._toleration_s,
        )
        refuse(resource, obj, validation.validate_create(obj, resource))
        if self.cache(resource).get(obj.metadata.namespace, obj.metadata.name):
            raise already_exists(resource, obj.metadata.name)
        self._commits.allocate(resource, obj, None, dry_run=dry_run)
        if dry_run:
            return Kept(obj, codec.encode(obj), 0)
        return await self._commits.commit(resource, obj, None)

    def _prepare_create(self, resource: Resource, obj: ApiObject) -> None:
        """Give the object its identity, with a generated name that is free."""
        named = obj.metadata.name
        for _ in range(_NAME_ATTEMPTS):
            obj.metadata.name = named
            strategy.prepare_create(
                obj,
                resource=resource,
                now=self._now(),
                uid=str(uuid.uuid4()),
                name_suffix=_suffix(),
            )
            if named or not self.cache(resource).get(obj.metadata.namespace, obj.metadata.name):
                return

    async def _replace(
        self,
        resource: Resource,
        new: ApiObject,
        old: Kept,
        subresource: str,
        manager: str | None = None,
        *,
        dry_run: bool,
    ) -> Kept:
        """Store `new` for `old`, which `manager` wants; None if that is recorded already."""
        self._prepare_replace(resource, new, old, subresource, manager)
        new.metadata.resource_version = old.obj.metadata.resource_version
        if strategy.is_noop(new, old.obj):
            return old
        if not subresource:
            self._commits.allocate(resource, new, old.obj, dry_run=dry_run)
        if dry_run:
            return Kept(new, codec.encode(new), old.revision)
        if deletion.after_update(new):
            return await self._commits.remove(resource, new, old)
        return await self._commits.commit(resource, new, old)

    def _prepare_replace(
        self, resource: Resource, new: ApiObject, old: Kept, subresource: str, manager: str | None
    ) -> None:
        """Make `new` what may take the place of `old`; ApiError if it may not."""
        check_preconditions(resource, new, old)
        defaults.apply_defaults(new)
        strategy.prepare_update(new, old.obj, resource=resource, subresource=subresource)
        if manager is not None and new.metadata.managed_fields:
            managers.record(
                resource,
                new,
                old.obj,
                manager=manager,
                subresource=subresource,
                now=self._now(),
            )
        admission.admit(
            new,
            resource=resource,
            operation="UPDATE",
            lookup=self,
            toleration_s=self._toleration_s,
        )
        refuse(resource, new, validation.validate_update(new, old.obj, resource))

    def _now(self) -> Time:
        return format_time(self._clock())


def _the_very(meta: ObjectMeta, options: DeleteOptions) -> Preconditions:
    given = options.preconditions or Preconditions()
    return Preconditions(uid=given.uid or meta.uid, resource_version=given.resource_version)


def _suffix() -> str:
    return "".join(secrets.choice(_SUFFIX_LETTERS) for _ in range(5))
