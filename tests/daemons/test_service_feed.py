"""What a node's proxy is fed: never less than it has seen, never before it has seen all."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

from netemu.core.proxy.contract import ServiceTable
from netemu.daemons.service_feed import NodeFeed


class Cluster:
    """The feed of the whole cluster: its table is of as many entries as it was set."""

    def __init__(self) -> None:
        self.listeners: list[Callable[[], None]] = []
        self.listed = asyncio.Event()
        self.entries = 0

    def subscribe(self, tell: Callable[[], None]) -> None:
        self.listeners.append(tell)

    def unsubscribe(self, tell: Callable[[], None]) -> None:
        self.listeners.remove(tell)

    async def synced(self) -> None:
        await self.listed.wait()

    def table(self) -> ServiceTable:
        return tuple(range(self.entries))  # type: ignore[arg-type]

    def service(self, key: object) -> None:
        return None

    def change(self, entries: int) -> None:
        self.entries = entries
        for tell in self.listeners:
            tell()


class Cable:
    """Whether the node reaches the API server, and reached it a moment ago."""

    def __init__(self) -> None:
        self.fresh = False
        self.whole = asyncio.Event()

    async def reached(self) -> None:
        if not self.fresh:
            await self.whole.wait()


class Node:
    def __init__(self, cluster: Cluster, cable: Cable) -> None:
        self.cluster, self.cable = cluster, cable
        self.feed = NodeFeed(cluster, cable)  # type: ignore[arg-type]
        self.told = 0
        self.feed.subscribe(self._told)

    def _told(self) -> None:
        self.told += 1

    def seen(self) -> int:
        return len(self.feed.table())


@contextlib.asynccontextmanager
async def one_node() -> AsyncIterator[tuple[Node, asyncio.TaskGroup]]:
    node = Node(Cluster(), Cable())
    async with asyncio.TaskGroup() as group:
        running = group.create_task(node.feed.run())
        await asyncio.sleep(0)
        yield node, group
        running.cancel()


async def all_that_is_due() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_whoever_asks_first_sees_a_whole_table():
    """A change that comes before the first look, over a cable that rests, does not hide all."""
    async with one_node() as (node, group):
        synced = group.create_task(node.feed.synced())
        node.cluster.listed.set()
        node.cluster.change(3)
        await all_that_is_due()
        assert not synced.done(), "it has not reached the API server yet"
        node.cable.whole.set()
        await synced
        node.cable.whole.clear()
        node.cluster.change(4)
        assert node.seen() == 3


async def test_a_node_cut_off_goes_by_what_it_saw():
    """It hears of changes when the cable is whole again, and is told then."""
    async with one_node() as (node, _):
        node.cluster.entries = 2
        node.cluster.listed.set()
        node.cable.fresh = True
        await node.feed.synced()
        node.cable.fresh = False
        told = node.told
        node.cluster.change(5)
        await all_that_is_due()
        assert (node.seen(), node.told) == (2, told)
        node.cable.whole.set()
        await all_that_is_due()
        assert (node.seen(), node.told) == (5, told + 1)


async def test_a_change_passes_at_once_over_a_fresh_cable():
    """Nobody waits for a round trip that was made a moment ago."""
    async with one_node() as (node, _):
        node.cluster.listed.set()
        node.cable.fresh = True
        await node.feed.synced()
        told = node.told
        node.cluster.change(1)
        assert (node.seen(), node.told) == (1, told + 1)
