"""none: no way to the other nodes' pods.

Pods of one node reach each other over its bridge, and nodes are Ready; packets to pods of
other nodes take the default route, and end at the switch. For those who bring an overlay
of their own, or want to see what one is for. Nothing in the kernel is this backend's, so
whatever is added by hand stays.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Network
from typing import Final

from netemu.core.netstate import NetState, Scope
from netemu.core.overlay.contract import OverlayBackend, OverlayNode


class NoOverlay:
    kind = "none"

    def mtu(self, underlay_mtu: int) -> int:
        return underlay_mtu

    def data(self, me: OverlayNode) -> dict[str, str | int] | None:
        del me
        return None

    def scope(self, cluster_range: IPv4Network) -> Scope:
        del cluster_range
        return Scope()

    def plan(self, me: OverlayNode, peers: Iterable[OverlayNode]) -> NetState:
        del me, peers
        return NetState()


BACKEND: Final[OverlayBackend] = NoOverlay()
