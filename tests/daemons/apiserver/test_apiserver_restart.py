"""The API server can be started again at any moment, and goes on from its store."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from served_api import SETTINGS

from netemu.client.in_process import InProcessClient
from netemu.daemons.apiserver.identity import ADMIN
from netemu.daemons.apiserver.server import ApiServer
from netemu.errors import ApiError, HostError
from netemu.host.pki import ClusterPki
from netemu.model.core_v1 import (
    ConfigMap,
    Endpoints,
    Event,
    Namespace,
    Service,
    ServicePort,
    ServiceSpec,
)
from netemu.model.discovery_v1 import EndpointSlice
from netemu.model.meta_v1 import ObjectMeta
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


async def test_watch_from_before_the_start_is_expired(pki: ClusterPki):
    """What happened before the start is not known: list again."""
    store = MemoryStore()
    client = await start_client(store, pki)
    await client.create(service("web"))
    client = await start_client(store, pki)
    with pytest.raises(ApiError) as caught:
        await anext(client.watch(Service, resource_version="2"))
    assert caught.value.expired


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
