"""A control plane in one process: API server in memory, controllers, scheduler; no kubelets."""

from __future__ import annotations

import asyncio
import socket
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv4Network
from pathlib import PurePosixPath

import pytest

from netemu.client.contract import PatchType
from netemu.client.https import HttpsClient
from netemu.client.kubeconfig import ApiAccess
from netemu.core.control.contract import Timings
from netemu.daemons.apiserver.server import ApiServer
from netemu.daemons.controller_manager import ControllerManager
from netemu.daemons.scheduler import Scheduler
from netemu.errors import ApiError
from netemu.host.pki import create_pki
from netemu.model.apps_v1 import Deployment, DeploymentSpec
from netemu.model.authentication_v1 import UserInfo
from netemu.model.clock import format_time
from netemu.model.core_v1 import (
    Container,
    ContainerPort,
    Node,
    NodeCondition,
    NodeStatus,
    Pod,
    PodCondition,
    PodIP,
    PodSpec,
    PodTemplateSpec,
)
from netemu.model.meta_v1 import LabelSelector, ObjectMeta
from netemu.model.schema import copy_of
from netemu.model.settings import ClusterSettings, NodeSettings
from netemu.storage.memory import MemoryStore

WITHIN_S = 10.0


def _now():
    return datetime.now(UTC)


def _settings():
    control_plane = NodeSettings(
        name="control-plane", address=IPv4Address("198.18.0.11"), control_plane=True
    )
    return ClusterSettings(
        name="test",
        underlay=IPv4Network("198.18.0.0/24"),
        nodes=(control_plane,),
        state_dir=PurePosixPath("/nowhere"),
        run_dir=PurePosixPath("/nowhere"),
    )


class ControlPlane:
    """What a test says to the API, and the bounded wait for what comes of it."""

    def __init__(self, server, pki):
        self.pki = pki
        self.server = server
        self.client = server.client(UserInfo(username="test", groups=["system:masters"]))
        self.settings = _settings()
        self.addresses = 0

    @asynccontextmanager
    async def running(self, client=None, *, besides=(), **timings):
        """Controllers (and some `besides`) and scheduler, until the block ends."""
        client = client or self.client
        manager = ControllerManager(
            client=client,
            settings=_settings(),
            ca_certificate="the CA",
            clock=_now,
            timings=Timings(**timings),
        )
        manager._controllers.extend(besides)
        async with asyncio.TaskGroup() as tasks:
            running = [
                tasks.create_task(manager.run()),
                tasks.create_task(Scheduler(client=client, clock=_now).run()),
            ]
            try:
                yield
            finally:
                for task in running:
                    task.cancel()

    @asynccontextmanager
    async def over_https(self):
        """A client that reaches the API server through its socket, as its administrator."""
        listener = socket.create_server(("127.0.0.1", 0))
        admin = self.pki.issue_client("kubernetes-admin", groups=["system:masters"])
        client = HttpsClient(
            ApiAccess(
                server=f"https://127.0.0.1:{listener.getsockname()[1]}",
                ca_pem=self.pki.ca_pem,
                certificate_pem=admin.certificate_pem,
                key_pem=admin.key_pem,
            )
        )
        async with asyncio.TaskGroup() as tasks:
            serving = tasks.create_task(self.server.run([listener]))
            await self.server.serving()
            try:
                yield client
            finally:
                await client.close()
                serving.cancel()

    async def until(self, condition, what=""):
        """Wait until `await condition()` is true; what it said comes back."""
        async with asyncio.timeout(WITHIN_S):
            while True:
                if found := await condition():
                    return found
                await asyncio.sleep(0.005)

    async def get(self, kind, name, namespace="default"):
        try:
            return await self.client.get(kind, name, namespace)
        except ApiError as error:
            if error.not_found:
                return None
            raise

    async def all(self, kind, namespace="default"):
        return (await self.client.list(kind, namespace)).items

    async def add_node(self, name, *, taints=()):
        await self.client.create(
            Node(metadata=ObjectMeta(name=name, labels={"kubernetes.io/hostname": name}))
        )
        await self.post_node(name, taints)

    async def post_node(self, name, taints=()):
        """What a kubelet says of a Node that is well."""
        now = format_time(_now())
        room = {"cpu": "8", "memory": "16Gi", "pods": "250"}
        ready = NodeCondition(
            type="Ready", status="True", last_heartbeat_time=now, last_transition_time=now
        )
        status = NodeStatus(capacity=room, allocatable=room, conditions=[ready])
        for _ in range(20):
            node = copy_of(await self.client.get(Node, name))
            node.status = status
            try:
                await self.client.update(node, subresource="status")
            except ApiError as error:
                if not error.conflict:
                    raise
                continue
            break

    async def make_ready(self, namespace="default"):
        """What kubelets say of all Pods that are bound; those that are deleted go."""
        for pod in await self.all(Pod, namespace):
            if pod.metadata.deletion_timestamp:
                await self.client.delete(
                    Pod, pod.metadata.name, namespace, uid=pod.metadata.uid, grace_period_s=0
                )
            elif pod.spec.node_name and pod.status.phase != "Running":
                await self._start(pod)

    async def _start(self, pod):
        started = copy_of(pod)
        self.addresses += 1
        address = str(IPv4Address("10.244.1.0") + self.addresses)
        started.status.phase = "Running"
        started.status.pod_ip, started.status.pod_ips = address, [PodIP(ip=address)]
        ready = PodCondition(type="Ready", status="True", last_transition_time=format_time(_now()))
        started.status.conditions = [*started.status.conditions, ready]
        try:
            await self.client.update(started, subresource="status")
        except ApiError as error:
            if not (error.conflict or error.not_found):
                raise

    async def patch(self, kind, name, patch, namespace="default"):
        return await self.client.patch(kind, name, namespace, patch, how=PatchType.MERGE)


@pytest.fixture
async def plane():
    pki = create_pki("test")
    server = ApiServer(settings=_settings(), store=MemoryStore(), pki=pki, clock=_now)
    await server.load()
    return ControlPlane(server, pki)


@pytest.fixture
def make_deployment():
    def make(replicas, image="web:1", name="web", namespace="default"):
        labels = {"app": name}
        ports = [ContainerPort(container_port=80)]
        template = PodTemplateSpec(
            metadata=ObjectMeta(labels=labels),
            spec=PodSpec(containers=[Container(name="c", image=image, ports=ports)]),
        )
        return Deployment(
            metadata=ObjectMeta(name=name, namespace=namespace),
            spec=DeploymentSpec(
                replicas=replicas,
                selector=LabelSelector(match_labels=labels),
                template=template,
            ),
        )

    return make
