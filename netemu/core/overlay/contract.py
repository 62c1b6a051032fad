"""What an overlay backend is: nodes in, links and routes out.

A backend is a file in `backends/` with a constant `BACKEND`. It says what one node's
kernel should hold for the pods of the other nodes to be reached from it, and which part
of that kernel's state is the backend's own, so that what is stale there can be removed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import Protocol

from netemu.core.netstate import NetState, Scope


@dataclass(frozen=True, slots=True, kw_only=True)
class OverlayNode:
    """One node, as far as the others need to know it."""

    name: str
    address: IPv4Address
    """On the underlay."""
    pod_range: IPv4Network
    backend: str = ""
    """The `backend-type` that it announced; empty if it did not yet."""
    mac: str = ""
    """Of its tunnel's end, where the backend has one."""


class OverlayBackend(Protocol):
    """Decides; does nothing."""

    @property
    def kind(self) -> str:
        """Return the `backend-type` in the node's annotations."""

    def mtu(self, underlay_mtu: int) -> int:
        """Return what is left of a packet's size for pods."""

    def data(self, me: OverlayNode) -> dict[str, str | int] | None:
        """Return what peers must know of this node: the `backend-data` annotation."""

    def scope(self, cluster_range: IPv4Network) -> Scope:
        """Return what of a node's kernel state is this backend's."""

    def plan(self, me: OverlayNode, peers: Iterable[OverlayNode]) -> NetState:
        """Return that part of the state as it should be on `me`. `peers` are the others."""
