"""The API server can be started again at any moment, and goes on from its store."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from served_api import SETTINGS

from netemu.client.in_process import InProcessClient
from netemu.daemons.apiserver.identity import ADMIN
from netemu.daemons.apiserver.selection import parse_selection
from netemu.daemons.apiserver.server import ApiServer
from netemu.errors import ApiError, HostError
from netemu.host.pki import ClusterPki
from netemu.model.core_v1 import (
    ConfigMap,
    Container,
    Endpoints,
    Event,
    Namespace,
    Pod,
    PodSpec,
    Service,
    ServiceAccount,
    ServicePort,
    ServiceSpec,
)
from netemu.model.discovery_v1 import EndpointSlice
from netemu.model.kinds import by_type
from netemu.model.meta_v1 import DeleteOptions, ObjectMeta
from netemu.storage.contract import Store
from netemu.storage.memory import MemoryStore
from netemu.storage.sqlite import SqliteStore


async def start(store: Store, pki: ClusterPki, clock=lambda: datetime.now(UTC)) -> ApiServer:
    api = ApiServer(settings=SETTINGS, store=store, pki=pki, clock=clock)
    await api.load()
    return api


async def start_client(store: Store, pki: ClusterPki) -> InProcessClient:
    return (await start(store, pki)).client(ADMIN)


def service(name: str, address: str = "") -> Service:
    spec = ServiceSpec(cluster_ip=address, ports=[ServicePort(port=80)])
    return Service(metadata=ObjectMeta(name=name, namespace="default"), spec=spec)


async def test_everything_is_there_again(pki: ClusterPki, tmp_path: Path):
    """Objects, revisions and allocated addresses outlive the process."""
    store = SqliteStore(tmp_path / "db")
    client = await start_client(store, pki)
    web = await client.create(service("web"))
    await store.close()

    store = SqliteStore(tmp_path / "db")
    client = await start_client(store, pki)
    assert await client.get(Service, "web", "default") == web
    with pytest.raises(ApiError, match="already allocated"):
        await client.create(service("thief", web.spec.cluster_ip))
    watch = client.watch(Service, resource_version=web.metadata.resource_version)
    other = await client.create(service("other"))
    assert (await anext(watch)).object == other
    await watch.aclose()
    await store.close()


class FullStore(MemoryStore):
    """A store on a disk that may be full."""

    full = False

    async def put(self, key: str, value: bytes, *, expected: int) -> int:
        if self.full:
            raise HostError(f"writing {key}", answer="database or disk is full")
        return await super().put(key, value, expected=expected)


async def test_full_disk_refuses_writes_and_keeps_all_else(pki: ClusterPki):
    """What cannot be stored is an ApiError, which no component dies of, and holds no address."""
    store = FullStore()
    client = await start_client(store, pki)
    store.full = True
    with pytest.raises(ApiError, match="disk is full") as caught:
        await client.create(service("web", "10.96.3.3"))
    assert caught.value.code == 500
    assert (await client.list(Namespace)).items
    store.full = False
    web = await client.create(service("web", "10.96.3.3"))
    assert web.spec.cluster_ip == "10.96.3.3"


async def test_a_watch_goes_on_where_it_was_before_the_start(pki: ClusterPki, tmp_path: Path):
    """What happened while nobody watched comes from the store, as each watch would have seen it."""
    store = SqliteStore(tmp_path / "db")
    client = await start_client(store, pki)
    one = await client.create(config_map("one", colour="red"))
    after = int(one.metadata.resource_version)
    await client.create(config_map("two", colour="red"))
    await client.patch(ConfigMap, "one", "default", {"metadata": {"labels": {"colour": "blue"}}})
    await client.patch(ConfigMap, "two", "default", {"data": {"n": "1"}})
    await client.delete(ConfigMap, "two", "default")
    await store.close()

    store = SqliteStore(tmp_path / "db")
    api = await start(store, pki)
    await api.client(ADMIN).create(config_map("three", colour="red"))
    everything = ["ADDED two", "MODIFIED one", "MODIFIED two", "DELETED two", "ADDED three"]
    red = ["ADDED two", "DELETED one", "MODIFIED two", "DELETED two", "ADDED three"]
    assert await seen(api, after, "") == everything
    assert await seen(api, after, "colour=red") == red
    assert await seen(api, after + 3, "") == everything[3:]
    await api.registry.compact(keep=3)
    assert await seen(api, after + 2, "colour=red") == red[2:]
    with pytest.raises(ApiError) as caught:
        await seen(api, after, "")
    assert caught.value.expired
    await store.close()


def config_map(name: str, **labels: str) -> ConfigMap:
    return ConfigMap(metadata=ObjectMeta(name=name, namespace="default", labels=labels))


async def seen(api: ApiServer, after: int, labels: str) -> list[str]:
    """Return what a client sees at once that resumes its watch."""
    resource = by_type(ConfigMap)
    selection = parse_selection(resource, namespace="default", labels=labels)
    watcher = await api.registry.watch(resource, selection, after=after)
    sights = watcher.fetch_all()
    watcher.close()
    revisions = [sight.kept.revision for sight in sights]
    assert revisions == sorted(set(revisions))
    assert [sight.kept.obj.metadata.resource_version for sight in sights] == [*map(str, revisions)]
    return [f"{sight.type} {sight.kept.obj.metadata.name}" for sight in sights]


async def test_a_collection_is_what_was_selected(pki: ClusterPki):
    """Who was made anew under a selected name while the others went stays."""
    api = await start(MemoryStore(), pki)
    client = api.client(ADMIN)
    for name in ("a", "b"):
        await client.create(config_map(name, colour="red"))
    resource = by_type(ConfigMap)
    selection = parse_selection(resource, namespace="default", labels="colour=red")
    deleting = api.registry.delete_collection(resource, selection, DeleteOptions())
    async with api.registry._lock:  # Somebody else's write is under way.
        task = asyncio.ensure_future(deleting)
        await asyncio.sleep(0)
        replacing = asyncio.ensure_future(_replace(client))
        await asyncio.sleep(0)
    await asyncio.gather(task, replacing)
    left = [obj.metadata.labels for obj in (await client.list(ConfigMap, "default")).items]
    assert left == [{"colour": "blue"}]


async def _replace(client: InProcessClient) -> None:
    await client.delete(ConfigMap, "b", "default")
    await client.create(config_map("b", colour="blue"))


async def test_a_binding_is_for_the_very_pod(pki: ClusterPki):
    """A Pod that was made anew under the name is not bound by a decision on the old one."""
    api = await start(MemoryStore(), pki)
    client = api.client(ADMIN)
    await client.create(ServiceAccount(metadata=ObjectMeta(name="default", namespace="default")))
    spec = PodSpec(containers=[Container(name="a", image="a")])
    pod = Pod(metadata=ObjectMeta(name="a", namespace="default"), spec=spec)
    made = await client.create(pod)
    with pytest.raises(ApiError, match="UID in precondition: another"):
        await client.bind("a", "default", "worker-1", uid="another")
    await client.bind("a", "default", "worker-1", uid=made.metadata.uid)
    assert (await client.get(Pod, "a", "default")).spec.node_name == "worker-1"


async def test_first_objects(pki: ClusterPki):
    """A new cluster has its namespaces and `kubernetes.default` with its endpoints."""
    client = await start_client(MemoryStore(), pki)
    names = [obj.metadata.name for obj in (await client.list(Namespace)).items]
    assert names == ["default", "kube-node-lease", "kube-public", "kube-system"]
    kubernetes = await client.get(Service, "kubernetes", "default")
    assert kubernetes.spec.cluster_ip == "10.96.0.1"
    assert (kubernetes.spec.ports[0].port, kubernetes.spec.ports[0].target_port) == (443, 6443)
    endpoints = await client.get(Endpoints, "kubernetes", "default")
    assert endpoints.subsets[0].addresses[0].ip == "198.18.0.11"
    slices = await client.get(EndpointSlice, "kubernetes", "default")
    assert slices.endpoints[0].addresses == ["198.18.0.11"]


async def test_second_start_writes_nothing(pki: ClusterPki):
    """Making the first objects twice equals making them once."""
    store = MemoryStore()
    await start(store, pki)
    revision = store.revision
    await start(store, pki)
    assert store.revision == revision


async def test_first_objects_are_mended(pki: ClusterPki):
    """What was deleted or bent meanwhile is right again after a start."""
    store = MemoryStore()
    client = await start_client(store, pki)
    await client.delete(Service, "kubernetes", "default")
    await client.patch(Endpoints, "kubernetes", "default", {"subsets": None})
    client = await start_client(store, pki)
    kubernetes = await client.get(Service, "kubernetes", "default")
    assert kubernetes.spec.cluster_ip == "10.96.0.1"
    assert (await client.get(Endpoints, "kubernetes", "default")).subsets


async def test_first_objects_are_mended_while_the_server_runs(pki: ClusterPki):
    """`kubectl delete service --all` takes `kubernetes` only for a moment."""
    store = MemoryStore()
    api = await start(store, pki)
    client = api.client(ADMIN)
    revision = store.revision
    await api.mend()
    assert store.revision == revision
    await client.delete(Service, "kubernetes", "default")
    await client.delete(EndpointSlice, "kubernetes", "default")
    await api.mend()
    kubernetes = await client.get(Service, "kubernetes", "default")
    assert kubernetes.spec.cluster_ip == "10.96.0.1"
    assert (await client.get(EndpointSlice, "kubernetes", "default")).endpoints


async def test_tidying_up(pki: ClusterPki):
    """Events of more than an hour ago go, other objects stay, history is compacted."""
    now = [datetime.now(UTC)]
    store = MemoryStore()
    api = await start(store, pki, clock=lambda: now[0])
    client = api.client(ADMIN)
    await client.create(Event(metadata=ObjectMeta(name="old", namespace="default")))
    await client.create(ConfigMap(metadata=ObjectMeta(name="kept", namespace="default")))
    now[0] += timedelta(minutes=50)
    await client.create(Event(metadata=ObjectMeta(name="new", namespace="default")))
    now[0] += timedelta(minutes=20)
    await api.tidy_up()
    assert [event.metadata.name for event in (await client.list(Event)).items] == ["new"]
    await client.get(ConfigMap, "kept", "default")
    await api.registry.compact(keep=2)
    assert store.compacted == store.revision - 2


async def test_history_of_daemons_that_died_young_goes_at_the_start(pki: ClusterPki):
    """A server that finds far more history than is kept does not wait a minute with it."""
    store = MemoryStore()
    for number in range(20_001):
        await store.put("/elsewhere", b"", expected=number)
    api = await start(store, pki)
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        running = group.create_task(api.run([]))
        while store.compacted < store.revision - 10_000:
            await asyncio.sleep(0.01)
        running.cancel()


async def test_a_flood_of_events_is_cut_to_the_newest(pki: ClusterPki):
    """Beyond four thousand Events the oldest go first, however young they are."""
    now = [datetime.now(UTC)]
    api = await start(MemoryStore(), pki, clock=lambda: now[0])
    client = api.client(ADMIN)
    for number in range(4010):
        now[0] += timedelta(milliseconds=200)
        await client.create(Event(metadata=ObjectMeta(name=f"e{number}", namespace="default")))
    await api.tidy_up()
    left = {event.metadata.name for event in (await client.list(Event)).items}
    assert len(left) == 4000
    assert "e4009" in left
    assert "e0" not in left
