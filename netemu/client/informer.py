"""Informers: each component's own picture of the objects that it cares about.

An informer lists once and then watches. Its picture is always some state that the API
server was in, a little old. When the watch breaks it is resumed where it ended; when
that is too long ago (410) the informer lists again and tells its subscribers only what
differs. Objects are shared with whoever else watches: they are never changed in place.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from typing import Any, Generic, TypeVar

from netemu.client.contract import Client, EventType, Listing, WatchEvent
from netemu.errors import ApiError
from netemu.model.keys import ObjectKey
from netemu.model.schema import ApiObject

T = TypeVar("T", bound=ApiObject)
Subscriber = Callable[[T | None, T | None], None]
"""Called with (old, new): None and an object is an addition, an object and None a removal."""

log = logging.getLogger(__name__)

_FIRST_PAUSE_S = 0.05
_LONGEST_PAUSE_S = 5.0
_LONGEST_PAUSE_UNKNOWING_S = 1.0
"""Who knows nothing yet is of no use to anybody meanwhile."""


class Index(Generic[T]):
    """Which objects yield a value, kept up to date with the informer."""

    def __init__(self, values_of: Callable[[T], Iterable[str]]) -> None:
        self._values_of = values_of
        self._objects: dict[str, dict[ObjectKey, T]] = {}

    def replace(self, key: ObjectKey, old: T | None, new: T | None) -> None:
        if old is not None:
            for value in self._values_of(old):
                self._remove(value, key)
        if new is not None:
            for value in self._values_of(new):
                self._objects.setdefault(value, {})[key] = new

    def objects(self, value: str) -> list[T]:
        return list(self._objects.get(value, {}).values())

    def _remove(self, value: str, key: ObjectKey) -> None:
        bucket = self._objects.get(value)
        if bucket is not None:
            bucket.pop(key, None)
            if not bucket:
                del self._objects[value]


class Informer(Generic[T]):
    """The objects of one kind that match one selection."""

    def __init__(
        self,
        client: Client,
        kind: type[T],
        *,
        namespace: str = "",
        labels: str = "",
        fields: str = "",
    ) -> None:
        self._client = client
        self._kind = kind
        self._namespace = namespace
        self._labels = labels
        self._fields = fields
        self._objects: dict[ObjectKey, T] = {}
        self._namespaces: dict[str, dict[ObjectKey, T]] = {}
        self._indexes: dict[str, Index[T]] = {}
        self._subscribers: list[Subscriber[T]] = []
        self._synced = asyncio.Event()
        self._revision = ""

    def get(self, key: ObjectKey) -> T | None:
        return self._objects.get(key)

    def list(self, namespace: str | None = None) -> list[T]:
        """Return the objects of one namespace, or all of them."""
        if namespace is None:
            return [*self._objects.values()]
        return [*self._namespaces.get(namespace, {}).values()]

    def add_index(self, name: str, values_of: Callable[[T], Iterable[str]]) -> None:
        """Keep an index; adding a name twice keeps the first."""
        if name in self._indexes:
            return
        index = Index(values_of)
        for key, obj in self._objects.items():
            index.replace(key, None, obj)
        self._indexes[name] = index

    def by_index(self, name: str, value: str) -> Iterable[T]:
        return self._indexes[name].objects(value)

    def subscribe(self, tell: Subscriber[T]) -> None:
        """Call `tell` for what is there, now, and for every change, in the loop's thread."""
        self._subscribers.append(tell)
        for obj in self.list():
            tell(None, obj)

    @property
    def has_synced(self) -> bool:
        return self._synced.is_set()

    async def synced(self) -> None:
        """Wait until the first list is in."""
        await self._synced.wait()

    async def run(self) -> None:
        """Follow the API server until cancelled."""
        pause_s = _FIRST_PAUSE_S
        while True:
            try:
                if not self._revision:
                    await self._list()
                await self._watch()
                pause_s = _FIRST_PAUSE_S  # The server ended the watch in good order.
            except ApiError as error:
                if error.expired:
                    self._revision = ""
                    continue
                log.debug("watching %s: %s", self._kind.__name__, error)
            await asyncio.sleep(pause_s)
            longest_s = _LONGEST_PAUSE_S if self.has_synced else _LONGEST_PAUSE_UNKNOWING_S
            pause_s = min(pause_s * 2, longest_s)

    async def _list(self) -> None:
        listing: Listing[T] = await self._client.list(
            self._kind, self._namespace, labels=self._labels, fields=self._fields
        )
        listed = {_key(obj): obj for obj in listing.items}
        for key in [key for key in self._objects if key not in listed]:
            self._replace(key, None)
        for key, obj in listed.items():
            known = self._objects.get(key)
            if known is None or known.metadata.resource_version != obj.metadata.resource_version:
                self._replace(key, obj)
        self._revision = listing.resource_version
        self._synced.set()

    async def _watch(self) -> None:
        events = self._client.watch(
            self._kind,
            self._namespace,
            resource_version=self._revision,
            labels=self._labels,
            fields=self._fields,
        )
        async for event in events:
            self._handle(event)

    def _handle(self, event: WatchEvent[T]) -> None:
        obj = event.object
        self._revision = obj.metadata.resource_version
        if event.type is EventType.DELETED:
            self._replace(_key(obj), None)
        elif event.type is not EventType.BOOKMARK:
            self._replace(_key(obj), obj)

    def _replace(self, key: ObjectKey, new: T | None) -> None:
        old = self._objects.get(key)
        if old is not None and new is not None and old.metadata.uid != new.metadata.uid:
            # Another object of the same name: the first has gone, unseen, between two lists.
            self._replace(key, None)
            old = None
        if new is not None:
            self._objects[key] = new
            self._namespaces.setdefault(key.namespace, {})[key] = new
        elif old is not None:
            del self._objects[key]
            del self._namespaces[key.namespace][key]
        else:
            return  # Never known here: an object that came and went between two lists.
        for index in self._indexes.values():
            index.replace(key, old, new)
        for tell in self._subscribers:
            tell(old, new)


class Informers:
    """The informers of one component: one for each selection, started when first asked for."""

    def __init__(self, client: Client, *, task_group: asyncio.TaskGroup) -> None:
        self._client = client
        self._task_group = task_group
        self._informers: dict[tuple[type, str, str, str], Informer[Any]] = {}

    def of(
        self, kind: type[T], *, namespace: str = "", labels: str = "", fields: str = ""
    ) -> Informer[T]:
        selection = (kind, namespace, labels, fields)
        informer = self._informers.get(selection)
        if informer is None:
            informer = Informer(
                self._client, kind, namespace=namespace, labels=labels, fields=fields
            )
            self._informers[selection] = informer
            self._task_group.create_task(informer.run(), name=f"informer {kind.__name__}")
        return informer

    async def synced(self) -> None:
        """Wait until every informer asked for so far has its first list."""
        for informer in list(self._informers.values()):
            await informer.synced()


def _key(obj: ApiObject) -> ObjectKey:
    return ObjectKey(obj.metadata.namespace, obj.metadata.name)
