"""host-gw: plain routes, no encapsulation.

Each node is the next hop to its own pods, so all nodes must share one link, and
packets keep their full size (control-plane-and-node.md, 4.3).
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Network
from typing import Final

from netemu.core.netstate import NetState, Route, Scope
from netemu.core.node_network import UPLINK
from netemu.core.overlay.contract import OverlayBackend, OverlayNode


class HostGateway:
    kind = "host-gw"

    def mtu(self, underlay_mtu: int) -> int:
        return underlay_mtu

    def data(self, me: OverlayNode) -> dict[str, str | int] | None:
        del me  # A node's address says it all.
        return None

    def scope(self, cluster_range: IPv4Network) -> Scope:
        return Scope(shared_link=UPLINK, within=cluster_range)

    def plan(self, me: OverlayNode, peers: Iterable[OverlayNode]) -> NetState:
        del me
        return NetState(
            routes=frozenset(
                Route(destination=peer.pod_range, via=peer.address, link=UPLINK)
                for peer in peers
                if peer.backend == self.kind
            )
        )


BACKEND: Final[OverlayBackend] = HostGateway()
