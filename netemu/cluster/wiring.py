"""The daemon's inside: every component, and who is connected with whom.

All components get a client of the API and nothing else of each other. What they share
is read-only: settings, the node's namespace handle, the container runtime.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from netemu.client.contract import Client
from netemu.client.gated import GatedClient
from netemu.client.https import tls_context
from netemu.client.kubeconfig import ApiAccess
from netemu.cluster import readiness
from netemu.cluster.access import write_kubeconfig
from netemu.cluster.control import Wish
from netemu.cluster.streams import KubeletStreams
from netemu.core import addons, names
from netemu.core.kubelet.container_spec import node_sandbox_id
from netemu.core.node_network import UNDERLAY_MTU
from netemu.daemons.apiserver.server import ApiServer
from netemu.daemons.controller_manager import ControllerManager
from netemu.daemons.kube_proxy import KubeProxy
from netemu.daemons.kubelet import Kubelet
from netemu.daemons.node_link import NodeLink
from netemu.daemons.overlay import Overlay, backend_named
from netemu.daemons.scheduler import Scheduler
from netemu.daemons.service_feed import NodeFeed, ServiceFeed
from netemu.daemons.supervisor import keep_running
from netemu.errors import ApiError, HostError
from netemu.host import clusters, netns, underlay
from netemu.host.netns import Netns
from netemu.host.pki import ClusterPki, load_or_create_pki
from netemu.host.pod_network import LinuxPodNetwork
from netemu.host.runtime import ZygoteRuntime
from netemu.model.authentication_v1 import UserInfo
from netemu.model.core_v1 import Node, Pod
from netemu.model.runtime import SandboxKind, SandboxSpec
from netemu.model.settings import ClusterSettings, NodeSettings
from netemu.storage.sqlite import SqliteStore

UNDERLAY_SANDBOX = "underlay"
_NODES_WITHIN_S = 5.0
_NODE_READY_WITHIN_S = 120.0
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
    links: dict[str, NodeLink] = field(default_factory=dict)
    _running: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    """Each powered node's components."""
    converging: asyncio.Lock = field(default_factory=asyncio.Lock)

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
        self.api.streams = KubeletStreams(self.kubelets, self.links)
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
        entering = self._enter(UNDERLAY_SANDBOX)
        self.switch, *_ = await asyncio.gather(entering, self._enter_nodes())
        await self._wire()
        await self._sweep()

    async def _sweep(self) -> None:
        """End what a daemon was about to end that died meanwhile."""
        for node in self.settings.nodes:
            if not node.powered:
                await self._power_off(node.name)
        folder = Path(self.settings.state_dir, "networks")
        known = {node.name for node in self.settings.nodes}
        there = {entry.name for entry in folder.iterdir()} if folder.exists() else set()
        held = {s.node for s in await self.runtime.sandboxes() if s.kind is SandboxKind.NODE}
        for name in (there | held) - known - {""}:
            await self._power_off(name)
            await self._forget(name)

    async def _enter_nodes(self) -> None:
        """Make the namespaces of all nodes that have power, or enter those that are there."""
        new = [node for node in self.settings.powered_nodes if node.name not in self.nodes]
        spaces = await asyncio.gather(*(self._enter(node.name) for node in new))
        self.nodes |= {node.name: space for node, space in zip(new, spaces, strict=True)}

    async def _wire(self) -> None:
        host = Netns.open(f"/proc/{os.getpid()}/ns/net", name="host")
        try:
            await underlay.wire(self.settings, switch=self.switch, nodes=self.nodes, host=host)
        finally:
            host.close()

    # --- nodes that come and go --------------------------------------------------------

    async def converge(self, wish: Wish) -> None:
        """Make true what the settings on disk say of the nodes; safe to repeat."""
        async with self.converging:
            await self._follow(clusters.load_settings(self.settings.name))
        if wish.wait_for:
            client = self.api.client(self._user("system:netemu"))
            try:
                async with asyncio.timeout(_NODE_READY_WITHIN_S):
                    await readiness.nodes_ready(client, {wish.wait_for})
            except TimeoutError as error:
                answer = f"not Ready after {_NODE_READY_WITHIN_S:g} s"
                raise HostError(f"waiting for node {wish.wait_for}", answer=answer) from error

    async def _follow(self, wanted: ClusterSettings) -> None:
        before, self.settings = self.settings, wanted
        powered = {node.name for node in wanted.powered_nodes}
        for node in before.nodes:
            if node.name not in powered:
                await self._power_off(node.name)
        for gone in {node.name for node in before.nodes} - {node.name for node in wanted.nodes}:
            await self._forget(gone)
        new = [node for node in wanted.powered_nodes if node.name not in self.nodes]
        await self._enter_nodes()
        await self._wire()
        for link in self.links.values():
            link.doubt()
        for node in new:
            self._start_node(node)

    async def _power_off(self, name: str) -> None:
        """Silence the node at once, then end all that it holds."""
        await underlay.unplug(self.settings, name, switch=self.switch)
        if (running := self._running.pop(name, None)) is not None:
            running.cancel()
            await asyncio.wait([running])
        self.kubelets.pop(name, None)
        self.links.pop(name, None)
        if (space := self.nodes.pop(name, None)) is not None:
            await asyncio.to_thread(space.close)
        await self._clear(name)
        await self.runtime.remove_sandbox(node_sandbox_id(name))
        await underlay.withdraw_node(self.settings, name)

    async def _forget(self, name: str) -> None:
        """Delete the Node, its pods and what the disk knows of it."""
        client = self.api.client(self._user("system:netemu"))
        await _delete_node(client, name)
        leases = self.settings.state_dir / "networks" / name
        await asyncio.to_thread(shutil.rmtree, leases, ignore_errors=True)

    async def _enter(self, place: str) -> Netns:
        name, spec = self._netns_of(place), self._sandbox_of(place)
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

    async def hold_nodes(self) -> dict[str, str]:
        """Put holders and names back that are gone; return what was done, by node."""
        spaces = {UNDERLAY_SANDBOX: self.switch, **self.nodes}
        held = {s.id: s for s in await self.runtime.sandboxes() if s.kind is SandboxKind.NODE}
        done = {}
        for place, space in spaces.items():
            spec = self._sandbox_of(place)
            published = self._netns_of(place)
            holder = held.get(spec.id)
            if holder is None or not holder.alive:
                if holder is not None:
                    await self.runtime.remove_sandbox(spec.id)
                spec.netns_path = space.path_by_thread()
                holder = await self.runtime.create_sandbox(spec)
                done[place] = f"{place}: its holder was killed; another holds its namespaces"
            if not netns.is_published(holder.pid, published):
                await asyncio.to_thread(netns.publish, holder.pid, published)
                done.setdefault(place, f"{place}: `ip netns` shows {published} again")
        return done

    def _netns_of(self, place: str) -> str:
        if place == UNDERLAY_SANDBOX:
            return names.underlay_netns(self.settings.name)
        return names.node_netns(self.settings.name, place)

    @staticmethod
    def _sandbox_of(place: str) -> SandboxSpec:
        if place == UNDERLAY_SANDBOX:
            identity, node = UNDERLAY_SANDBOX, ""
        else:
            identity, node = node_sandbox_id(place), place
        return SandboxSpec(
            id=identity, kind=SandboxKind.NODE, node=node, name=place, hostname=place
        )

    async def _clear(self, node: str) -> None:
        """Remove a node's Pods, whose cables went with its namespace: it begins anew."""
        doomed = [
            sandbox.id
            for sandbox in await self.runtime.sandboxes()
            if sandbox.kind is SandboxKind.POD and sandbox.node == node
        ]
        await asyncio.gather(*map(self.runtime.remove_sandbox, doomed))

    def reachable(self) -> set[str]:
        """Return the nodes that can be expected to be Ready."""
        return {node.name for node in self.settings.reachable_nodes}

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
                await readiness.nodes_ready(client, self.reachable())
        await Scheduler(client=client, clock=now).run()

    def start_nodes(self, group: asyncio.TaskGroup) -> None:
        """Start each node's kubelet, kube-proxy and overlay agent."""
        self._group = group
        self._feed = ServiceFeed(client=self.api.client(self._user("system:kube-proxy")))
        _keep(group, "service-feed", self._feed.run)
        for node in self.settings.powered_nodes:
            self._start_node(node)

    def _start_node(self, node: NodeSettings) -> None:
        work = self._run_node(node)
        self._running[node.name] = self._group.create_task(work, name=f"node {node.name}")

    async def _run_node(self, node: NodeSettings) -> None:
        """Run the node's components until its power is switched off."""
        settings, space = self.settings, self.nodes[node.name]
        network = LinuxPodNetwork(
            netns=space,
            node=node.name,
            cluster=settings.name,
            state_dir=settings.state_dir,
            mtu=backend_named(settings.overlay).mtu(UNDERLAY_MTU),
        )
        user = self._user(f"system:node:{node.name}", "system:nodes")
        link = self._link(node, user)
        client = GatedClient(self.api.client(user), link)
        feed = NodeFeed(self._feed, link)
        self.links[node.name] = link
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
        try:
            async with asyncio.TaskGroup() as group:
                _keep(group, f"link of {node.name}", link.run)
                _keep(group, f"services of {node.name}", feed.run)
                _keep(group, f"kubelet {node.name}", kubelet.run)
                _keep(group, f"overlay {node.name}", overlay.run)
                _keep(group, f"kube-proxy {node.name}", proxy.run)
        finally:
            network.close()

    def _link(self, node: NodeSettings, user: UserInfo) -> NodeLink:
        """Return the node's own connection to the API server, in its kubelet's name."""
        identity = self.pki.issue_client(user.username, groups=user.groups)
        access = ApiAccess(
            server="",
            ca_pem=self.pki.ca_pem,
            certificate_pem=identity.certificate_pem,
            key_pem=identity.key_pem,
        )
        return NodeLink(
            node=node.name,
            netns=self.nodes[node.name],
            server=self.settings.control_plane.address,
            port=self.settings.api_port,
            tls=tls_context(access),
        )

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


async def _delete_node(client: Client, name: str) -> None:
    """Delete the Node and what it ran, without waiting for a kubelet that is no more."""
    with contextlib.suppress(ApiError):
        await client.delete(Node, name)
    for pod in (await client.list(Pod, fields=f"spec.nodeName={name}")).items:
        with contextlib.suppress(ApiError):
            meta = pod.metadata
            await client.delete(Pod, meta.name, meta.namespace, grace_period_s=0)


def _keep(group: asyncio.TaskGroup, name: str, run: Callable[[], object]) -> None:
    group.create_task(keep_running(name, run), name=name)  # type: ignore[arg-type]
