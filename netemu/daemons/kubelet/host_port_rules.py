"""The host ports of one node's Pods: which there are, and their rules in the kernel.

A Pod's ports are forwarded before its first container starts, and no longer when its
sandbox goes. What an earlier kubelet left is compared with what should be, and the
difference is made, so connections through ports that stay are not cut.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network

from netemu.core import ipam
from netemu.core.kubelet import host_ports
from netemu.core.kubelet.host_ports import Forwarded
from netemu.core.netfilter import restore
from netemu.core.netfilter.tables import Jump, Tables
from netemu.core.netstate import Sysctl
from netemu.core.node_network import POD_BRIDGE
from netemu.errors import HostError
from netemu.host import sysctl
from netemu.host.conntrack import Conntrack
from netemu.host.netfilter import Netfilter, detect
from netemu.host.netns import Netns
from netemu.model.core_v1 import Pod
from netemu.model.settings import ClusterSettings, NodeSettings

log = logging.getLogger(__name__)

_LOOPBACK_IS_ROUTED = (Sysctl(name=f"net.ipv4.conf.{POD_BRIDGE}.route_localnet", value="1"),)
"""What the node sends to its own loopback leaves by the bridge, and comes back by it."""
_LOOK_EVERY_S = 60.0


@dataclass(slots=True, kw_only=True)
class HostPortRules:
    """Keeps one node's rules of host ports."""

    settings: ClusterSettings
    node: NodeSettings
    netns: Netns

    pod_range: IPv4Network | None = None
    """The range of this node's Pods, once there is one."""
    _pods: dict[str, Forwarded] = field(default_factory=dict)
    """By UID."""
    _held: Tables | None = None
    """What is in the kernel; None: unknown, look."""
    _unsure: bool = False
    """The last change failed: parts of it may be there, or what was to go."""
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    _netfilter: Netfilter | None = None

    def note(self, pod: Pod, address: IPv4Address) -> bool:
        """Remember a Pod that has its address; False if it has no host ports."""
        ports = host_ports.ports_of(pod)
        if ports:
            meta = pod.metadata
            name = f"{meta.namespace}/{meta.name}"
            self._pods[meta.uid] = Forwarded(uid=meta.uid, name=name, address=address, ports=ports)
        return bool(ports)

    async def add(self, pod: Pod, address: IPv4Address) -> None:
        """Forward the Pod's host ports; HostError says why they cannot be."""
        if self.note(pod, address):
            try:
                await self._keep()
            except HostError:
                # A port that this kernel does not forward must not cost the others theirs.
                self._pods.pop(pod.metadata.uid, None)
                raise

    async def remove(self, uid: str) -> None:
        """Forward nothing to that Pod any more. Nothing there is success."""
        if (gone := self._pods.pop(uid, None)) is not None:
            await self._keep(gone)

    async def follow(self, *, inherited: bool) -> None:
        """Repair what others change; `inherited`: an earlier kubelet may have left rules."""
        if inherited or self._pods:
            await self._look()
        while True:
            await asyncio.sleep(_LOOK_EVERY_S)
            if self._pods or self._unsure:
                await self._look()

    async def _look(self) -> None:
        try:
            await self._keep(look=True)
        except HostError as error:
            log.warning("%s: host ports are not as they should be: %s", self.node.name, error)

    async def _keep(self, *gone: Forwarded, look: bool = False) -> None:
        """Make the rules what they should be; with `look`, whatever they were thought to be."""
        async with self._lock:
            if self.pod_range is None:
                return  # No Pod of this kubelet has an address yet: it looks when one can.
            wanted = host_ports.plan(self._pods.values(), pod_range=self.pod_range)
            if wanted == self._held and not look:
                return
            held = None if look else self._held
            self._held, self._unsure = None, True  # Until it is done, whatever ends it.
            await self._change(held, wanted)
            self._held, self._unsure = wanted, False
            try:
                await asyncio.to_thread(self._forget_stale_flows, gone, self.pod_range)
            except HostError as error:
                log.warning("%s: stale UDP flows stay: %s", self.node.name, error)

    async def _change(self, old: Tables | None, wanted: Tables) -> None:
        netfilter = await self._ready_netfilter()
        jumps: list[Jump] = []
        if old is None:
            observed = await netfilter.observe()
            old = restore.known(observed, wanted, ours=host_ports.ours)
            jumps = restore.missing_jumps(observed, host_ports.JUMPS)
        await netfilter.change(old, wanted, jumps=jumps)
        await self.netns.call(sysctl.write, _LOOPBACK_IS_ROUTED)

    async def _ready_netfilter(self) -> Netfilter:
        if self._netfilter is None:
            iptables = await asyncio.to_thread(detect, self.settings.iptables_flavour)
            # kube-proxy's lock: the two write the same table.
            lock_file = f"{self.settings.run_dir}/xtables-{self.node.name}.lock"
            self._netfilter = Netfilter(self.netns, iptables=iptables, lock_file=lock_file)
        return self._netfilter

    def _forget_stale_flows(self, gone: Iterable[Forwarded], pod_range: IPv4Network) -> None:
        concerned = [*self._pods.values(), *gone]
        if not any(port.protocol == "udp" for pod in concerned for port in pod.ports):
            return
        conntrack = Conntrack(self.netns)
        here = frozenset((self.node.address, ipam.gateway(pod_range).ip))
        stale = host_ports.stale_flows(
            conntrack.udp_flows(), list(self._pods.values()), gone, node=here
        )
        conntrack.forget(list(stale))
