"""The Services and endpoints of a cluster, followed once for all of its nodes' proxies.

kube-proxies of one daemon share a feed: one watch, one model, and rules that are
rendered once where nodes agree. A proxy that is given none makes its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from netemu.client.contract import Client
from netemu.client.gated import Gate
from netemu.client.informer import Informer, Informers
from netemu.core.proxy.contract import ServiceTable
from netemu.core.proxy.services import SERVICE_SELECTOR, SLICE_SELECTOR
from netemu.core.proxy.tracker import ServiceTracker
from netemu.model.core_v1 import Service
from netemu.model.discovery_v1 import EndpointSlice
from netemu.model.keys import ObjectKey, key_of


class Feed(Protocol):
    """What a proxy is fed by."""

    def subscribe(self, tell: Callable[[], None]) -> None: ...

    async def synced(self) -> None: ...

    def table(self) -> ServiceTable: ...

    def service(self, key: ObjectKey) -> Service | None: ...

    async def run(self) -> None: ...


class ServiceFeed:
    def __init__(self, *, client: Client) -> None:
        self._client = client
        self._tracker = ServiceTracker()
        self._shown: ServiceTracker | None = None
        self._synced = asyncio.Event()
        self._listeners: list[Callable[[], None]] = []

    def subscribe(self, tell: Callable[[], None]) -> None:
        """Call `tell` after every change, in the loop's thread."""
        self._listeners.append(tell)

    def unsubscribe(self, tell: Callable[[], None]) -> None:
        self._listeners.remove(tell)

    async def synced(self) -> None:
        """Wait until Services and EndpointSlices both have been listed.

        Before that nothing may be written: Services without their endpoints would be refused.
        """
        await self._synced.wait()

    def table(self) -> ServiceTable:
        return self._shown.table() if self._shown else ()

    def service(self, key: ObjectKey) -> Service | None:
        return self._shown.service(key) if self._shown else None

    async def run(self) -> None:
        # Started again after a crash, nodes see the last whole picture until there is
        # another: an unfinished one would take their Services away.
        self._tracker = ServiceTracker()
        async with asyncio.TaskGroup() as group:
            informers = Informers(self._client, task_group=group)
            services = informers.of(Service, labels=SERVICE_SELECTOR)
            slices = informers.of(EndpointSlice, labels=SLICE_SELECTOR)
            services.subscribe(self._service_changed)
            slices.subscribe(self._slice_changed)
            await _both(services, slices)
            self._shown = self._tracker
            self._synced.set()
            self._tell()

    def _service_changed(self, old: Service | None, new: Service | None) -> None:
        if new is not None:
            self._tracker.set_service(new)
        elif old is not None:
            self._tracker.delete_service(key_of(old))
        self._tell()

    def _slice_changed(self, old: EndpointSlice | None, new: EndpointSlice | None) -> None:
        if old is not None:
            self._tracker.delete_slice(old)
        if new is not None:
            self._tracker.set_slice(new)
        self._tell()

    def _tell(self) -> None:
        if self._shown is not self._tracker:
            return
        for tell in self._listeners:
            tell()


class NodeFeed:
    """The shared feed as one node sees it: what it does not reach it does not know.

    While the API server cannot be reached the node goes by the last table that it saw.
    """

    def __init__(self, feed: ServiceFeed, gate: Gate) -> None:
        self._feed = feed
        self._gate = gate
        self._seen: ServiceTable = ()
        self._synced = asyncio.Event()
        self._unseen = asyncio.Event()
        """Something has changed that the node has not heard of yet."""
        self._listeners: list[Callable[[], None]] = []

    def subscribe(self, tell: Callable[[], None]) -> None:
        self._listeners.append(tell)

    async def synced(self) -> None:
        """Wait until the node has seen a whole table.

        Before that nothing may be written: a node that knows of no Service would take its
        rules away.
        """
        await self._synced.wait()

    def table(self) -> ServiceTable:
        if not self._unseen.is_set():
            self._seen = self._feed.table()
        return self._seen

    def service(self, key: ObjectKey) -> Service | None:
        return self._feed.service(key)

    async def run(self) -> None:
        """Pass on what changes, when it gets through, until cancelled."""
        self._feed.subscribe(self._changed)
        try:
            await self._feed.synced()
            while True:
                await self._gate.reached()
                self._unseen.clear()
                # At once: when somebody asks, there may be something unseen again.
                self._seen = self._feed.table()
                self._synced.set()
                self._tell()
                await self._unseen.wait()
        finally:
            self._feed.unsubscribe(self._changed)

    def _changed(self) -> None:
        if self._gate.fresh and not self._unseen.is_set():
            self._tell()
        else:
            self._unseen.set()

    def _tell(self) -> None:
        for tell in self._listeners:
            tell()


async def _both(services: Informer[Service], slices: Informer[EndpointSlice]) -> None:
    await services.synced()
    await slices.synced()
