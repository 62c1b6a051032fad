"""What stands behind Services: the endpoints of EndpointSlices, merged and sorted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from ipaddress import ip_address

from netemu.core.proxy.services import Address, Family
from netemu.model.discovery_v1 import Endpoint as SliceEndpoint
from netemu.model.discovery_v1 import EndpointSlice

SERVICE_NAME_LABEL = "kubernetes.io/service-name"

PortId = tuple[str, str]
"""A port's name and its protocol, lower case: what joins a Service's port to a slice's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One address and port that a packet may be sent to."""

    address: Address
    port: int
    node: str = ""
    ready: bool = True
    serving: bool = True
    terminating: bool = False
    for_nodes: frozenset[str] = frozenset()
    """Hints: the nodes that should use it."""
    for_zones: frozenset[str] = frozenset()

    @property
    def label(self) -> str:
        """`10.244.1.2:80`, `[fd00::2]:80`."""
        if self.address.version == 6:
            return f"[{self.address}]:{self.port}"
        return f"{self.address}:{self.port}"

    @property
    def last_resort(self) -> bool:
        """Better than no answer: it still serves while it ends."""
        return self.serving and self.terminating


def merge(
    slices: Iterable[EndpointSlice], family: Family = Family.IPV4
) -> dict[PortId, tuple[Endpoint, ...]]:
    """Return the endpoints of one Service by port.

    One address and port may stand in several slices; the one that knows its node wins,
    for only that can be recognised as local.
    """
    found: dict[PortId, dict[tuple[int, int], Endpoint]] = {}
    for piece in slices:
        if piece.address_type != family.value:
            continue
        for port in piece.ports:
            if not port.port or not 0 < port.port < 65536:
                continue  # "All ports" means nothing to a proxy; 65536 to nobody.
            port_id = (port.name or "", (port.protocol or "TCP").lower())
            merged = found.setdefault(port_id, {})
            for endpoint in _endpoints(piece, port.port, family):
                place = (int(endpoint.address), endpoint.port)
                merged[place] = _better(merged.get(place), endpoint)
    return {
        port_id: tuple(endpoint for _, endpoint in sorted(merged.items()))
        for port_id, merged in found.items()
    }


def _better(one: Endpoint | None, other: Endpoint) -> Endpoint:
    if one is None:
        return other
    return one if one.node and not other.node else other


def _endpoints(piece: EndpointSlice, port: int, family: Family) -> Iterator[Endpoint]:
    for endpoint in piece.endpoints:
        address = _first_address(endpoint, family)
        if address is not None:
            yield _read(endpoint, address, port)


def _first_address(endpoint: SliceEndpoint, family: Family) -> Address | None:
    # Only the first address counts, by the specification of EndpointSlice.
    if not endpoint.addresses:
        return None
    try:
        address = ip_address(endpoint.addresses[0])
    except ValueError:
        return None
    if address.version != family.version or address.is_unspecified or address.is_multicast:
        return None
    return address


def _read(endpoint: SliceEndpoint, address: Address, port: int) -> Endpoint:
    conditions = endpoint.conditions
    hints = endpoint.hints
    read = Endpoint(
        address=address,
        port=port,
        node=endpoint.node_name or "",
        ready=conditions.ready is not False,
        serving=conditions.serving is not False,
        terminating=conditions.terminating is True,
    )
    if hints is None:
        return read
    return replace(
        read,
        for_nodes=frozenset(hint.name for hint in hints.for_nodes),
        for_zones=frozenset(hint.name for hint in hints.for_zones),
    )
