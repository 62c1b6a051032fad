"""Informers follow the server through breaks and forgetting."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

from netemu.client.contract import EventType, Listing, WatchEvent
from netemu.client.https import HttpsClient
from netemu.client.informer import Informer, Informers
from netemu.errors import ApiError
from netemu.model.core_v1 import ConfigMap
from netemu.model.keys import ObjectKey
from netemu.model.meta_v1 import ObjectMeta


def config_map(name: str, revision: str = "", **data: str) -> ConfigMap:
    meta = ObjectMeta(name=name, namespace="default", resource_version=revision)
    return ConfigMap(metadata=meta, data=data)


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.005)


async def test_informer_mirrors_the_server(served):
    """An informer holds what the server holds, and tells each change once."""
    told = []
    await served.client.create(config_map("one", a="1"))
    async with asyncio.TaskGroup() as tasks:
        informers = Informers(served.client, task_group=tasks)
        informer = informers.of(ConfigMap, namespace="default")
        assert informers.of(ConfigMap, namespace="default") is informer
        informer.subscribe(lambda old, new: told.append((old and old.data, new and new.data)))
        await informer.synced()
        await served.client.patch(ConfigMap, "one", "default", {"data": {"a": "2"}})
        await served.client.create(config_map("two"))
        await served.client.delete(ConfigMap, "one", "default")
        await until(lambda: len(told) == 4)
        assert told == [
            (None, {"a": "1"}),
            ({"a": "1"}, {"a": "2"}),
            (None, {}),
            ({"a": "2"}, None),
        ]
        assert informer.get(ObjectKey("default", "one")) is None
        assert [obj.metadata.name for obj in informer.list("default")] == ["two"]
        assert informer.list("kube-system") == []
        late = []
        informer.subscribe(lambda old, new: late.append((old, new.metadata.name)))
        assert late == [(None, "two")], "a late subscriber is told what is there"
        for task in informers_tasks():
            task.cancel()


def informers_tasks() -> list[asyncio.Task]:
    return [task for task in asyncio.all_tasks() if task.get_name().startswith("informer")]


async def test_objects_are_shared_in_process(served):
    """Informers of one process hold the same objects, not copies."""
    await served.client.create(config_map("one"))
    async with asyncio.TaskGroup() as tasks:
        first = Informers(served.client, task_group=tasks).of(ConfigMap)
        second = Informers(served.client, task_group=tasks).of(ConfigMap)
        await first.synced()
        await second.synced()
        key = ObjectKey("default", "one")
        assert first.get(key) is second.get(key)
        for task in informers_tasks():
            task.cancel()


async def test_index(served):
    """An index finds objects by a value, and forgets what has changed."""
    async with asyncio.TaskGroup() as tasks:
        informer = Informers(served.client, task_group=tasks).of(ConfigMap)
        informer.add_index("colour", lambda obj: [obj.data.get("colour", "")])
        await served.client.create(config_map("one", colour="red"))
        await until(lambda: informer.by_index("colour", "red"))
        await served.client.patch(ConfigMap, "one", "default", {"data": {"colour": "blue"}})
        await until(lambda: informer.by_index("colour", "blue"))
        assert not informer.by_index("colour", "red")
        for task in informers_tasks():
            task.cancel()


class Scripted:
    """A server whose watches do what the test says."""

    def __init__(self) -> None:
        self.listed = [config_map("one", "1", a="1")]
        self.revision = "1"
        self.watches: asyncio.Queue[str] = asyncio.Queue()
        self.script: asyncio.Queue[WatchEvent | ApiError | None] = asyncio.Queue()

    async def list(self, kind, namespace="", *, labels="", fields=""):
        return Listing(list(self.listed), self.revision)

    async def watch(
        self, kind, namespace="", *, resource_version, labels="", fields=""
    ) -> AsyncIterator[WatchEvent]:
        self.watches.put_nowait(resource_version)
        while (entry := await self.script.get()) is not None:
            if isinstance(entry, ApiError):
                raise entry
            yield entry


async def test_informer_resumes_where_the_watch_broke():
    """After a break the watch goes on from the last revision seen, bookmarks included."""
    server = Scripted()
    informer = Informer(server, ConfigMap)
    running = asyncio.ensure_future(informer.run())
    assert await asyncio.wait_for(server.watches.get(), 2) == "1"
    server.script.put_nowait(WatchEvent(EventType.MODIFIED, config_map("one", "5", a="2")))
    server.script.put_nowait(WatchEvent(EventType.BOOKMARK, config_map("", "9")))
    server.script.put_nowait(ApiError(503, "ServiceUnavailable", "gone"))
    assert await asyncio.wait_for(server.watches.get(), 2) == "9"
    assert [obj.data for obj in informer.list()] == [{"a": "2"}]
    server.script.put_nowait(None)
    assert await asyncio.wait_for(server.watches.get(), 2) == "9"
    running.cancel()


async def test_informer_lists_again_when_its_past_is_forgotten():
    """After a 410 the informer lists, and tells only what differs."""
    server = Scripted()
    server.listed.append(config_map("same", "1"))
    told = []
    informer = Informer(server, ConfigMap)
    informer.subscribe(
        lambda old, new: told.append((old and old.metadata.name, new and new.metadata.name))
    )
    running = asyncio.ensure_future(informer.run())
    await asyncio.wait_for(server.watches.get(), 2)
    told.clear()
    server.listed = [config_map("same", "1"), config_map("two", "7")]
    server.revision = "8"
    server.script.put_nowait(ApiError(410, "Expired", "too old resource version"))
    assert await asyncio.wait_for(server.watches.get(), 2) == "8"
    assert told == [("one", None), (None, "two")]
    running.cancel()


async def test_informer_tells_a_successor_from_its_namesake():
    """An object that was made anew between two lists is a removal and an addition."""
    server = Scripted()
    server.listed[0].metadata.uid = "first"
    told = []
    informer = Informer(server, ConfigMap)
    informer.subscribe(
        lambda old, new: told.append((old and old.metadata.uid, new and new.metadata.uid))
    )
    running = asyncio.ensure_future(informer.run())
    await asyncio.wait_for(server.watches.get(), 2)
    server.listed = [config_map("one", "7")]
    server.listed[0].metadata.uid = "second"
    server.revision = "8"
    server.script.put_nowait(ApiError(410, "Expired", "too old resource version"))
    assert await asyncio.wait_for(server.watches.get(), 2) == "8"
    assert told == [(None, "first"), ("first", None), (None, "second")]
    running.cancel()


async def test_informer_over_https(served):
    """The same informer works across HTTPS."""
    client = HttpsClient(served.access)
    async with asyncio.TaskGroup() as tasks:
        informer = Informers(client, task_group=tasks).of(ConfigMap, fields="metadata.name=one")
        await informer.synced()
        await served.client.create(config_map("one", a="1"))
        await served.client.create(config_map("two", a="1"))
        await until(informer.list)
        assert [obj.metadata.name for obj in informer.list()] == ["one"]
        for task in informers_tasks():
            task.cancel()
    await client.close()
