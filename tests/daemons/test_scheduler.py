"""The scheduler against a real API server in memory: bindings, words, wake-ups."""

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv4Network
from pathlib import PurePosixPath

import pytest

from netemu.daemons.apiserver.server import ApiServer
from netemu.daemons.scheduler import Scheduler
from netemu.host.pki import create_pki
from netemu.model.authentication_v1 import UserInfo
from netemu.model.core_v1 import (
    Container,
    Event,
    Node,
    NodeStatus,
    Pod,
    PodSchedulingGate,
    PodSpec,
    ServiceAccount,
    Taint,
)
from netemu.model.meta_v1 import ObjectMeta
from netemu.model.schema import copy_of
from netemu.model.settings import ClusterSettings, NodeSettings
from netemu.storage.memory import MemoryStore


def _now():
    return datetime.now(UTC)


@pytest.fixture
async def client():
    node = NodeSettings(name="cp", address=IPv4Address("198.18.0.11"), control_plane=True)
    settings = ClusterSettings(
        name="test",
        underlay=IPv4Network("198.18.0.0/24"),
        nodes=(node,),
        state_dir=PurePosixPath("/nowhere"),
        run_dir=PurePosixPath("/nowhere"),
    )
    server = ApiServer(settings=settings, store=MemoryStore(), pki=create_pki("test"), clock=_now)
    await server.load()
    client = server.client(UserInfo(username="test", groups=["system:masters"]))
    await client.create(ServiceAccount(metadata=ObjectMeta(name="default", namespace="default")))
    return client


@asynccontextmanager
async def scheduling(client):
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(Scheduler(client=client, clock=_now).run())
        try:
            yield
        finally:
            task.cancel()


async def add_node(client, name, pods="10"):
    room = {"cpu": "4", "memory": "8Gi", "pods": pods}
    await client.create(Node(metadata=ObjectMeta(name=name)))
    # Admission taints every new Node until it is ready; here nobody else frees it.
    node = copy_of(await client.get(Node, name))
    node.spec.taints = []
    await client.update(node)
    node = copy_of(await client.get(Node, name))
    node.status = NodeStatus(capacity=room, allocatable=room)
    await client.update(node, subresource="status")


async def add_pod(client, name, **spec):
    meta = ObjectMeta(name=name, namespace="default")
    container = Container(name="c", image="web")
    return await client.create(Pod(metadata=meta, spec=PodSpec(containers=[container], **spec)))


async def until(condition):
    async with asyncio.timeout(10):
        while True:
            if found := await condition():
                return found
            await asyncio.sleep(0.005)


def node_of(client, name):
    async def bound():
        return (await client.get(Pod, name, "default")).spec.node_name

    return bound


def words_of(client, name):
    async def said():
        pod = await client.get(Pod, name, "default")
        return next((c for c in pod.status.conditions if c.type == "PodScheduled"), None)

    return said


async def test_a_pod_is_bound_and_told_of(client):
    """The event names Pod and Node."""
    async with scheduling(client):
        await add_node(client, "n1")
        await add_pod(client, "p")
        assert await until(node_of(client, "p")) == "n1"

        async def told():
            events = (await client.list(Event, "default")).items
            return [e.message for e in events if e.reason == "Scheduled"]

        assert await until(told) == ["Successfully assigned default/p to n1"]


async def test_a_pod_without_a_node_says_why_and_waits_for_one(client):
    """Condition and event say the same; a Node that comes is tried after the back-off."""
    async with scheduling(client):
        await add_pod(client, "p")
        condition = await until(words_of(client, "p"))
        assert (condition.status, condition.reason) == ("False", "Unschedulable")
        assert condition.message == "no nodes available to schedule pods"
        await add_node(client, "n1")
        assert await until(node_of(client, "p")) == "n1"


async def test_a_full_node_takes_the_next_when_one_leaves(client):
    """Too many pods; then a deletion wakes the one that waits."""
    async with scheduling(client):
        await add_node(client, "n1", pods="1")
        await add_pod(client, "first")
        await until(node_of(client, "first"))
        await add_pod(client, "second")
        condition = await until(words_of(client, "second"))
        assert "1 Too many pods" in condition.message
        await client.delete(Pod, "first", "default", grace_period_s=0)
        assert await until(node_of(client, "second")) == "n1"


async def test_a_taint_that_goes_lets_pods_in(client):
    """An update of the Node wakes those that it kept away."""
    async with scheduling(client):
        await add_node(client, "n1")
        node = copy_of(await client.get(Node, "n1"))
        node.spec.taints = [Taint(key="k", value="v", effect="NoSchedule")]
        await client.update(node)
        await add_pod(client, "p")
        condition = await until(words_of(client, "p"))
        assert "1 node(s) had untolerated taint {k: v}" in condition.message
        node = copy_of(await client.get(Node, "n1"))
        node.spec.taints = []
        await client.update(node)
        assert await until(node_of(client, "p")) == "n1"


async def test_gated_and_foreign_pods_are_left_alone(client):
    """Until the gates are gone; a Pod of another scheduler never."""
    async with scheduling(client):
        await add_node(client, "n1")
        await add_pod(client, "gated", scheduling_gates=[PodSchedulingGate(name="g")])
        await add_pod(client, "foreign", scheduler_name="other")
        await add_pod(client, "plain")
        await until(node_of(client, "plain"))
        assert not (await client.get(Pod, "gated", "default")).spec.node_name
        gated = copy_of(await client.get(Pod, "gated", "default"))
        gated.spec.scheduling_gates = []
        await client.update(gated)
        assert await until(node_of(client, "gated")) == "n1"
        assert not (await client.get(Pod, "foreign", "default")).spec.node_name


async def test_a_scheduler_that_is_started_again_knows_what_runs(client):
    """It counts the Pods that its predecessor placed."""
    async with scheduling(client):
        await add_node(client, "n1", pods="1")
        await add_pod(client, "first")
        await until(node_of(client, "first"))
    async with scheduling(client):
        await add_pod(client, "second")
        condition = await until(words_of(client, "second"))
        assert "Too many pods" in condition.message
