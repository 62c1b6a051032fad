"""The kubelet's tests share one way of making a node."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator

import pytest
from kubelet_node import NODE, PRELOAD, RUN, SETTINGS, STATE, Cluster, clock

from netemu.client.contract import Client
from netemu.core.kubelet.container_spec import node_sandbox_id
from netemu.daemons.apiserver.server import ApiServer
from netemu.host import underlay
from netemu.host.netns import Netns, netns_of
from netemu.host.pki import create_pki
from netemu.host.pod_network import LinuxPodNetwork
from netemu.host.runtime import ZygoteRuntime, start_zygote
from netemu.model.authentication_v1 import UserInfo
from netemu.model.codec import from_dict
from netemu.model.core_v1 import (
    ConfigMap,
    ServiceAccount,
)
from netemu.model.runtime import SandboxKind, SandboxSpec
from netemu.storage.memory import MemoryStore


@pytest.fixture
async def cluster() -> AsyncIterator[Cluster]:
    server = ApiServer(settings=SETTINGS, store=MemoryStore(), pki=create_pki("t"), clock=clock)
    await server.load()
    client = server.client(UserInfo(username="system:node:worker-1", groups=["system:masters"]))
    await _controllers_work(client)
    await start_zygote(RUN, STATE, SETTINGS.name, PRELOAD)
    runtime = await ZygoteRuntime.connect(RUN)
    node = await runtime.create_sandbox(
        SandboxSpec(
            id=node_sandbox_id(NODE.name), kind=SandboxKind.NODE, node=NODE.name, hostname=NODE.name
        )
    )
    netns = Netns.open(netns_of(node.pid), name=NODE.name)
    await netns.run(["ip", "link", "set", "lo", "up"])
    await netns.run(["ip", "address", "add", f"{NODE.address}/32", "dev", "lo"])
    network = LinuxPodNetwork(
        netns=netns, node=NODE.name, cluster=SETTINGS.name, state_dir=STATE, mtu=1450
    )
    cluster = Cluster(server, client, runtime, network, netns)
    await cluster.start_kubelet()
    try:
        yield cluster
    finally:
        await cluster.stop_kubelet()
        server.registry.close()
        network.close()
        netns.close()
        await runtime.shutdown()
        underlay.remove_all(SETTINGS.name)
        for folder in (RUN, STATE):
            shutil.rmtree(folder, ignore_errors=True)


async def _controllers_work(client: Client) -> None:
    """Make what controllers make in a whole cluster."""
    meta = {"name": "default", "namespace": "default"}
    await client.create(
        from_dict({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta}, ServiceAccount)
    )
    await client.create(
        from_dict(
            {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {"name": "kube-root-ca.crt", "namespace": "default"},
                "data": {"ca.crt": "PEM"},
            },
            ConfigMap,
        )
    )
