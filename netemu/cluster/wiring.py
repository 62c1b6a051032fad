"""The daemon's inside: every component, and who is connected with whom.

All components get a client of the API and nothing else of each other. What they share
is read-only: settings, the node's namespace handle, the container runtime.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from netemu.cluster import readiness
from netemu.cluster.access import write_kubeconfig
from netemu.cluster.streams import KubeletStreams
from netemu.core import addons, names
from netemu.core.kubelet.container_spec import node_sandbox_id
from netemu.core.node_network import UNDERLAY_MTU
from netemu.daemons.apiserver.server import ApiServer
from netemu.daemons.controller_manager import ControllerManager
from netemu.daemons.kube_proxy import KubeProxy
from netemu.daemons.kubelet import Kubelet
from netemu.daemons.overlay import Overlay, backend_named
from netemu.daemons.scheduler import Scheduler
from netemu.daemons.service_feed import ServiceFeed
from netemu.daemons.supervisor import keep_running
from netemu.errors import ApiError
from netemu.host import clusters, netns, underlay
from netemu.host.netns import Netns
from netemu.host.pki import ClusterPki, load_or_create_pki
from netemu.host.pod_network import LinuxPodNetwork
from netemu.host.runtime import ZygoteRuntime
from netemu.model.authentication_v1 import UserInfo
from netemu.model.runtime import SandboxKind, SandboxSpec
from netemu.model.settings import ClusterSettings, NodeSettings
from netemu.storage.sqlite import SqliteStore

UNDERLAY_SANDBOX = "underlay"
_NODES_WITHIN_S = 5.0
_MASTERS = ["system:masters", "system:authenticated"]


def now() -> datetime:
    """The daemon's clock."""
    return datetime.now(UTC)


@dataclass(eq=False)
class ClusterDaemon:
    """One cluster's components in one event loop."""

    settings: ClusterSettings
    nodes: dict[str, Netns] = field(default_factory=dict)
    kubelets: dict[str, Kubelet] = field(default_factory=dict)

    def open_api(self) -> ApiServer:
        """Read keys and store; nothing is served yet."""
        state = Path(self.settings.state_dir)
        self.pki: ClusterPki = load_or_create_pki(state / "pki", self.settings.name)
        self.api = ApiServer(
            settings=self.settings,
            store=SqliteStore(state / "store.db"),
            pki=self.pki,
            clock=now,
        )
        self.api.streams = KubeletStreams(self.kubelets)
        return self.api

    async def serve_api(self, group: asyncio.TaskGroup) -> str:
        """Serve the API on the host's loopback; return its URL."""
        listener = self._host_listener()
        group.create_task(self.api.run([listener]))
        await self.api.serving()
        url = f"https://127.0.0.1:{listener.getsockname()[1]}"
        write_kubeconfig(self.settings.name, self.pki, url=url)
        return url

    def _host_listener(self) -> socket.socket:
        """Bind the port of the last time, so that kubeconfigs stay true; else any free one."""
        kept = Path(self.settings.state_dir) / "api-port"
        ports = [0]
        with contextlib.suppress(FileNotFoundError, ValueError):
            ports.insert(0, int(kept.read_text()))
        for port in ports:
            with contextlib.suppress(OSError):
                listener = socket.create_server(("127.0.0.1", port), backlog=1024)
                bound = str(listener.getsockname()[1])
                clusters.write_atomically(kept, bound.encode())
                return listener
        raise OSError("no port of 127.0.0.1 can be listened on")

    async def wire_nodes(self, runtime: ZygoteRuntime) -> None:
        """Make the switch and the nodes, or find those that are there, and cable them."""
        self.runtime = runtime
        settings = self.settings
        specs = {
            names.node_netns(settings.name, node.name): SandboxSpec(
                id=node_sandbox_id(node.name),
                kind=SandboxKind.NODE,
                node=node.name,
                name=node.name,
                hostname=node.name,
            )
            for node in settings.nodes
        }
        specs[names.underlay_netns(settings.name)] = SandboxSpec(
            id=UNDERLAY_SANDBOX, kind=SandboxKind.NODE, name="underlay", hostname="underlay"
        )
        made = await asyncio.gather(*(self._enter(name, spec) for name, spec in specs.items()))
        spaces = dict(zip(specs, made, strict=True))
        switch = spaces.pop(names.underlay_netns(settings.name))
        self.nodes = {node.name: space for node, space in zip(settings.nodes, made, strict=False)}
        host = Netns.open(f"/proc/{os.getpid()}/ns/net", name="host")
        try:
            await underlay.wire(settings, switch=switch, nodes=self.nodes, host=host)
        finally:
            switch.close()
            host.close()

    async def _enter(self, name: str, spec: SandboxSpec) -> Netns:
        sandbox = await self.runtime.create_sandbox(spec)
        if not sandbox.alive:
            # Its holder was killed. The namespace lives on under its name, with all cables.
            await self.runtime.remove_sandbox(spec.id)
            spec.netns_path = netns.lasting(name)
            if not spec.netns_path:
                await self._clear(spec.node)
            sandbox = await self.runtime.create_sandbox(spec)
        path = netns.publish(sandbox.pid, name)
        return Netns.open(path, name=spec.name)

    async def _clear(self, node: str) -> None:
        """Remove a node's Pods, whose cables went with its namespace: it begins anew."""
        for sandbox in await self.runtime.sandboxes():
            if sandbox.kind is SandboxKind.POD and sandbox.node == node:
                await self.runtime.remove_sandbox(sandbox.id)

    async def serve_pods(self) -> None:
        """Serve the API inside the control plane's namespace: where pods reach it."""
        node = self.settings.control_plane
        listener = self.nodes[node.name].socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((str(node.address), self.settings.api_port))
        await self.api.add_socket(listener)

    def start_controllers(self, group: asyncio.TaskGroup) -> None:
        """Start what needs no node: the controllers; and the scheduler, which waits for nodes."""
        manager = self.api.client(self._user("system:kube-controller-manager"))
        ca = self.pki.ca_pem.decode()
        _keep(
            group,
            "controller-manager",
            ControllerManager(
                client=manager, settings=self.settings, ca_certificate=ca, clock=now
            ).run,
        )
        _keep(group, "scheduler", self._schedule)

    async def _schedule(self) -> None:
        """Run the scheduler, from when there are nodes.

        A Pod that finds none is put off for a second. But one node that does not come
        back must not keep the others from getting Pods.
        """
        client = self.api.client(self._user("system:kube-scheduler"))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_NODES_WITHIN_S):
                await readiness.nodes_ready(client, len(self.settings.nodes))
        await Scheduler(client=client, clock=now).run()

    def start_nodes(self, group: asyncio.TaskGroup) -> None:
        """Start each node's kubelet, kube-proxy and overlay agent."""
        proxy_client = self.api.client(self._user("system:kube-proxy"))
        feed = ServiceFeed(client=proxy_client)
        _keep(group, "service-feed", feed.run)
        for node in self.settings.nodes:
            self._start_node(group, node, feed)

    def _start_node(self, group: asyncio.TaskGroup, node: NodeSettings, feed: ServiceFeed) -> None:
        settings, space = self.settings, self.nodes[node.name]
        network = LinuxPodNetwork(
            netns=space,
            node=node.name,
            cluster=settings.name,
            state_dir=settings.state_dir,
            mtu=backend_named(settings.overlay).mtu(UNDERLAY_MTU),
        )
        client = self.api.client(self._user(f"system:node:{node.name}", "system:nodes"))
        kubelet = Kubelet(
            client=client,
            settings=settings,
            node=node,
            runtime=self.runtime,
            network=network,
            netns=space,
            clock=now,
            state_dir=settings.state_dir,
        )
        self.kubelets[node.name] = kubelet
        common = {"settings": settings, "node": node, "netns": space, "clock": now}
        overlay = Overlay(client=client, network=network, **common)  # type: ignore[arg-type]
        proxy = KubeProxy(client=client, feed=feed, **common)  # type: ignore[arg-type]
        _keep(group, f"kubelet {node.name}", kubelet.run)
        _keep(group, f"overlay {node.name}", overlay.run)
        _keep(group, f"kube-proxy {node.name}", proxy.run)

    async def make_addons(self) -> None:
        """Make what every cluster has, unless it is there already."""
        client = self.api.client(self._user("system:addon-manager"))
        for obj in addons.dns_objects(self.settings):
            try:
                await client.create(obj)
            except ApiError as error:
                if not error.already_exists:
                    raise

    @staticmethod
    def _user(name: str, *groups: str) -> UserInfo:
        return UserInfo(username=name, groups=[*groups, *_MASTERS])


def _keep(group: asyncio.TaskGroup, name: str, run: Callable[[], object]) -> None:
    group.create_task(keep_running(name, run), name=name)  # type: ignore[arg-type]
