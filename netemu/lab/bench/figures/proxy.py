"""Services in the kernel: all of them from nothing, and one endpoint that changes.

One node's kube-proxy, in a namespace of its own, once for each flavour of iptables that
the host has. The change is measured from the write to the API to the rule in the kernel,
with a store on disk, and nobody else who listens.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import IPv4Address
from pathlib import Path, PurePosixPath
from statistics import median
from typing import Final

from netemu import plugins
from netemu.client.contract import Client
from netemu.core.netfilter import restore
from netemu.core.proxy import modes
from netemu.core.proxy.contract import ProxyConfig, ProxyMode, ProxyNode, ServiceTable
from netemu.core.proxy.tracker import ServiceTracker
from netemu.daemons.apiserver.server import ApiServer
from netemu.daemons.kube_proxy import KubeProxy
from netemu.errors import MissingFacility
from netemu.host import clusters
from netemu.host.netfilter import Netfilter, detect
from netemu.host.netns import Netns
from netemu.host.pki import create_pki
from netemu.lab.bench.bed import Bed
from netemu.lab.bench.contract import Figure, Samples, Target
from netemu.lab.bench.space import throwaway_netns
from netemu.model.authentication_v1 import UserInfo
from netemu.model.core_v1.service import Service, ServicePort, ServiceSpec
from netemu.model.discovery_v1 import Endpoint, EndpointPort, EndpointSlice
from netemu.model.meta_v1 import ObjectMeta
from netemu.model.schema import copy_of
from netemu.model.settings import ClusterSettings
from netemu.storage.sqlite import SqliteStore

_MANY, _MORE = 1_000, 5_000
_ENDPOINTS = 2
_CHANGES = 7
_WITHIN_S = 60.0
_LOOK_EVERY_S = 0.001
_PAUSE_S = 0.1
_SERVICES = IPv4Address("10.96.16.0")
_PODS = IPv4Address("10.244.0.1")
_USER = UserInfo(username="bench", groups=["system:masters"])


def measure(bed: Bed) -> Samples:
    bed.up()
    settings = clusters.load_settings(bed.name)
    values: dict[str, float] = {}
    for flavour in ("legacy", "nft"):
        try:
            detect(flavour)
        except MissingFacility:
            continue
        with tempfile.TemporaryDirectory() as folder:
            here = PurePosixPath(folder)
            own = replace(settings, state_dir=here, run_dir=here, iptables_flavour=flavour)
            values |= _measure(own)
    return Samples(values)


def _measure(settings: ClusterSettings) -> Mapping[str, float]:
    flavour, values = settings.iptables_flavour, {}
    for count in (_MANY, _MORE):
        with throwaway_netns() as space:
            values[f"sync-{count}-{flavour}"] = asyncio.run(_full_sync(settings, space, count))
    with throwaway_netns() as space:
        values[f"change-{flavour}"] = asyncio.run(_changes(settings, space))
    return values


# --- all of them ---------------------------------------------------------------------


async def _full_sync(settings: ClusterSettings, space: Netns, count: int) -> float:
    """Return how long so many Services take, from objects to rules in the kernel."""
    table, node = _table(count), settings.control_plane
    mode: ProxyMode = plugins.load_one(modes, settings.proxy_mode, "MODE")
    iptables = detect(settings.iptables_flavour)
    netfilter = Netfilter(space, iptables=iptables, lock_file=f"{settings.run_dir}/lock")
    here = ProxyNode(name=node.name, address=node.address, addresses=(node.address,))
    config = ProxyConfig(cluster_cidr=settings.pod_cidr, random_fully=iptables.random_fully)
    began = time.monotonic()
    state = mode.plan(table, here, config)
    observed = await netfilter.observe()
    old = restore.known(observed, state.tables, ours=mode.owns)
    missing = restore.missing_jumps(observed, state.jumps)
    await netfilter.change(old, state.tables, jumps=missing)
    return time.monotonic() - began


def _table(count: int) -> ServiceTable:
    tracker = ServiceTracker()
    for number in range(count):
        tracker.set_service(_service(number))
        tracker.set_slice(_slice(number))
    return tracker.table()


# --- one of them ---------------------------------------------------------------------


async def _changes(settings: ClusterSettings, space: Netns) -> float:
    """Return the median time from a change of one endpoint to its rule."""
    async with _served(settings) as client:
        slices = [await _create(client, number) for number in range(_MANY)]
        proxy = KubeProxy(
            client=client, settings=settings, node=settings.control_plane, netns=space, clock=_now
        )
        running = asyncio.ensure_future(proxy.run())
        try:
            async with asyncio.timeout(_WITHIN_S):
                await proxy.synced()
                took = [await _change(client, proxy, piece) for piece in slices[:_CHANGES]]
        finally:
            running.cancel()
            await asyncio.wait([running])
    return median(took)


async def _change(client: Client, proxy: KubeProxy, piece: EndpointSlice) -> float:
    changed = copy_of(piece)
    changed.endpoints[0].addresses = [str(IPv4Address(changed.endpoints[0].addresses[0]) + 60_000)]
    before = proxy.health().updated
    began = time.monotonic()
    await client.update(changed)
    while proxy.health().updated == before:  # noqa: ASYNC110 - nobody is told of a sync
        await asyncio.sleep(_LOOK_EVERY_S)
    took_s = time.monotonic() - began
    # What follows at once is loaded together: a person's next change comes later.
    await asyncio.sleep(_PAUSE_S)
    return took_s


@asynccontextmanager
async def _served(settings: ClusterSettings) -> AsyncIterator[Client]:
    store = SqliteStore(Path(settings.state_dir) / "bench.db")
    api = ApiServer(settings=settings, store=store, pki=create_pki(settings.name), clock=_now)
    await api.load()
    try:
        yield api.client(_USER)
    finally:
        await store.close()


async def _create(client: Client, number: int) -> EndpointSlice:
    await client.create(_service(number))
    return await client.create(_slice(number))


def _now() -> datetime:
    return datetime.now(UTC)


# --- what is served ------------------------------------------------------------------


def _service(number: int) -> Service:
    return Service(
        metadata=ObjectMeta(name=f"bench-{number}", namespace="default"),
        spec=ServiceSpec(
            cluster_ip=str(_SERVICES + number),
            ports=[ServicePort(name="http", port=80, protocol="TCP")],
        ),
    )


def _slice(number: int) -> EndpointSlice:
    service = f"bench-{number}"
    return EndpointSlice(
        metadata=ObjectMeta(
            name=f"{service}-1",
            namespace="default",
            labels={"kubernetes.io/service-name": service},
        ),
        address_type="IPv4",
        ports=[EndpointPort(name="http", protocol="TCP", port=8080)],
        endpoints=[Endpoint(addresses=[address]) for address in _addresses(number)],
    )


def _addresses(number: int) -> Iterator[str]:
    for index in range(_ENDPOINTS):
        yield str(_PODS + number * _ENDPOINTS + index)


def _targets() -> dict[str, Target]:
    bounds = {"legacy": (0.15, 1.0, 0.09), "nft": (0.45, 2.5, 0.06)}
    targets = {}
    for flavour, (many_s, more_s, change_s) in bounds.items():
        said = f"Services, {flavour} flavour"
        targets[f"sync-{_MANY}-{flavour}"] = Target(f"full sync of {_MANY:,} {said}", many_s)
        targets[f"sync-{_MORE}-{flavour}"] = Target(f"full sync of {_MORE:,} {said}", more_s)
        title = f"one endpoint changes at {_MANY:,}, {flavour}"
        targets[f"change-{flavour}"] = Target(title, change_s, digits=3)
    return targets


FIGURE: Final = Figure(_targets(), measure, order=3)
