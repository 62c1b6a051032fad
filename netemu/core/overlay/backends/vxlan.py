"""vxlan: each node's pods behind one tunnel end, packets wrapped in UDP.

Flannel's way (control-plane-and-node.md, 4.3): the tunnel learns nothing and asks
nobody. For each peer there is a route to its pods by way of its tunnel's address, a
neighbour entry that knows that address' MAC, and a forwarding entry that knows behind
which node the MAC lies. What wraps a packet is thus written down, three lines a peer:

    ip route   10.244.2.0/24 via 10.244.2.0 dev flannel.1 onlink
    ip neigh   10.244.2.0 lladdr 5e:… dev flannel.1
    bridge fdb 5e:… dev flannel.1 dst 198.18.0.13
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Interface, IPv4Network
from typing import Final

from netemu.core.netstate import (
    Address,
    ForwardingEntry,
    Link,
    Neighbour,
    NetState,
    Route,
    Scope,
    Vxlan,
)
from netemu.core.node_network import UNDERLAY_MTU, UPLINK
from netemu.core.overlay.contract import OverlayBackend, OverlayNode

VNI: Final = 1
UDP_PORT: Final = 8472
"""The Linux kernel's own choice, older than the 4789 that IANA gave."""
DEVICE: Final = f"flannel.{VNI}"
OVERHEAD: Final = 50
"""Outer IPv4, UDP, VXLAN and inner Ethernet headers: 20 + 8 + 8 + 14 bytes."""


class VxlanBackend:
    kind = "vxlan"

    def mtu(self, underlay_mtu: int) -> int:
        return underlay_mtu - OVERHEAD

    def data(self, me: OverlayNode) -> dict[str, str | int] | None:
        return {"VNI": VNI, "VtepMAC": me.mac}

    def scope(self, cluster_range: IPv4Network) -> Scope:
        del cluster_range  # All of it hangs on one device.
        return Scope(links=frozenset({DEVICE}))

    def plan(self, me: OverlayNode, peers: Iterable[OverlayNode]) -> NetState:
        # A peer that has announced nothing yet has no tunnel end to send to.
        known = [peer for peer in peers if peer.backend == self.kind and peer.mac]
        return NetState(
            links=(self._device(me),),
            addresses=frozenset({Address(link=DEVICE, address=_tunnel_address(me))}),
            neighbours=frozenset(
                Neighbour(link=DEVICE, address=_tunnel_address(peer).ip, mac=peer.mac)
                for peer in known
            ),
            forwarding=frozenset(
                ForwardingEntry(link=DEVICE, mac=peer.mac, destination=peer.address)
                for peer in known
            ),
            routes=frozenset(
                Route(
                    destination=peer.pod_range,
                    via=_tunnel_address(peer).ip,
                    link=DEVICE,
                    onlink=True,
                )
                for peer in known
            ),
        )

    def _device(self, me: OverlayNode) -> Link:
        tunnel = Vxlan(vni=VNI, local=me.address, device=UPLINK, port=UDP_PORT)
        mtu = self.mtu(UNDERLAY_MTU)
        return Link(name=DEVICE, kind="vxlan", mtu=mtu, mac=me.mac, vxlan=tunnel)


def _tunnel_address(node: OverlayNode) -> IPv4Interface:
    """Return the range's zeroth address: no pod has it, so it says "the node"."""
    return IPv4Interface((node.pod_range.network_address, 32))


BACKEND: Final[OverlayBackend] = VxlanBackend()
