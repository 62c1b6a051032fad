"""Services over netemu's own pod network: bridge, overlay, switch and host, with real packets.

Two nodes, pods 0 and 1 behind the first one's bridge, pod 2 behind the second's.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from test_kube_proxy import FakeApi
from test_overlay import NODES, Lab, running_lab

from netemu.daemons.kube_proxy import KubeProxy
from netemu.daemons.service_feed import ServiceFeed
from netemu.host.netns import Netns
from netemu.model.core_v1 import Node, Service
from netemu.model.core_v1.service import ServicePort, ServiceSpec
from netemu.model.discovery_v1 import Endpoint, EndpointPort, EndpointSlice
from netemu.model.meta_v1 import ObjectMeta

pytestmark = pytest.mark.root

WHERE = ["control-plane", "control-plane", "worker-1"]
SERVICES = {
    # name: (ClusterIP, NodePort, pods, external policy)
    "all": ("10.96.0.20", 30020, [0, 1, 2], "Cluster"),
    "zero": ("10.96.0.21", 30021, [0], "Cluster"),
    "one": ("10.96.0.22", 30022, [1], "Cluster"),
    "two": ("10.96.0.23", 30023, [2], "Cluster"),
    "none": ("10.96.0.24", 30024, [], "Cluster"),
    "local": ("10.96.0.25", 30025, [0, 2], "Local"),
}


def _objects(lab: Lab) -> list:
    objects: list = [Node(metadata=ObjectMeta(name=node.name)) for node in NODES]
    for name, (address, node_port, pods, policy) in SERVICES.items():
        objects.append(
            Service(
                metadata=ObjectMeta(name=name, namespace="t"),
                spec=ServiceSpec(
                    type="NodePort",
                    cluster_ip=address,
                    external_traffic_policy=policy,
                    ports=[ServicePort(port=80, protocol="TCP", node_port=node_port)],
                ),
            )
        )
        objects.append(
            EndpointSlice(
                metadata=ObjectMeta(
                    name=name, namespace="t", labels={"kubernetes.io/service-name": name}
                ),
                address_type="IPv4",
                ports=[EndpointPort(name="", port=8080, protocol="TCP")],
                endpoints=[
                    Endpoint(addresses=[str(lab.addresses[pod])], node_name=WHERE[pod])
                    for pod in pods
                ],
            )
        )
    return objects


@pytest.fixture
async def lab() -> AsyncIterator[Lab]:
    async with running_lab() as made, _servers(made), _proxies(made):
        yield made


@contextlib.asynccontextmanager
async def _proxies(lab: Lab) -> AsyncIterator[None]:
    api = FakeApi()
    for obj in _objects(lab):
        api.put(obj)
    feed = ServiceFeed(client=api)
    proxies = [
        KubeProxy(
            client=api,
            feed=feed,
            settings=lab.settings,
            node=node,
            netns=lab.nodes[node.name],
            clock=lambda: datetime.now(UTC),
        )
        for node in NODES
    ]
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one.run()) for one in [feed, *proxies]]
        await asyncio.wait_for(asyncio.gather(*(proxy.synced() for proxy in proxies)), 10)
        yield
        for task in tasks:
            task.cancel()


@contextlib.asynccontextmanager
async def _servers(lab: Lab) -> AsyncIterator[None]:
    """Each pod answers with its number and the address it sees."""

    def tell(pod: int):
        async def answer(_, writer: asyncio.StreamWriter) -> None:
            writer.write(f"{pod} {writer.get_extra_info('peername')[0]}".encode())
            writer.close()

        return answer

    servers = []
    for pod, space in enumerate(lab.pods):
        listener = space.socket()
        listener.bind(("0.0.0.0", 8080))
        servers.append(await asyncio.start_server(tell(pod), sock=listener))
    try:
        yield
    finally:
        for server in servers:
            server.close()


async def _ask(space: Netns, target: tuple[str, int]) -> tuple[int, str]:
    loop = asyncio.get_running_loop()
    client = space.socket(socket.AF_INET, socket.SOCK_STREAM)
    client.setblocking(False)
    try:
        async with asyncio.timeout(3):
            await loop.sock_connect(client, target)
            pod, seen = (await loop.sock_recv(client, 100)).decode().split()
            return int(pod), seen
    finally:
        client.close()


async def test_pods_reach_services_wherever_the_endpoint_is(lab: Lab) -> None:
    """Same bridge, itself, other node: each answers, and sees the pod unless it is itself."""
    for source in range(3):
        for name, there in (("zero", 0), ("one", 1), ("two", 2)):
            answer, seen = await _ask(lab.pods[source], (SERVICES[name][0], 80))
            assert answer == there
            kept = seen == str(lab.addresses[source])
            assert kept is (source != there), f"pod {source} to {name}: seen as {seen}"


async def test_every_endpoint_gets_its_share(lab: Lab) -> None:
    """Forty connections find all three endpoints, also from a node's own process."""
    for space in (lab.pods[0], lab.nodes["worker-1"]):
        answers = {(await _ask(space, ("10.96.0.20", 80)))[0] for _ in range(40)}
        assert answers == {0, 1, 2}


async def test_the_host_reaches_node_ports_of_all_nodes(lab: Lab) -> None:
    """Any node's NodePort leads to any node's endpoint, masqueraded by the node."""
    for node in NODES:
        for name, there in (("zero", 0), ("two", 2)):
            answer, seen = await _ask(lab.host, (str(node.address), SERVICES[name][1]))
            assert answer == there
            assert seen != str(lab.settings.host_address)


async def test_local_policy_keeps_the_hosts_address_and_the_node(lab: Lab) -> None:
    """With externalTrafficPolicy Local each node answers by its own endpoint only."""
    for node, there in zip(NODES, (0, 2), strict=True):
        for _ in range(8):
            answer, seen = await _ask(lab.host, (str(node.address), SERVICES["local"][1]))
            assert (answer, seen) == (there, str(lab.settings.host_address))


async def test_no_endpoints_is_a_refusal_not_a_silence(lab: Lab) -> None:
    """The overlay's rules, which accept what pods send, do not hide the refusal."""
    for space, target in [
        (lab.pods[0], ("10.96.0.24", 80)),
        (lab.nodes["worker-1"], ("10.96.0.24", 80)),
        (lab.host, (str(NODES[0].address), 30024)),
    ]:
        with pytest.raises(ConnectionRefusedError):
            await _ask(space, target)


async def test_node_ports_answer_on_localhost(lab: Lab) -> None:
    """A node's own process may use 127.0.0.1."""
    space = lab.nodes["worker-1"]
    assert (await _ask(space, ("127.0.0.1", SERVICES["zero"][1])))[0] == 0
