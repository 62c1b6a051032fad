"""Which endpoints a packet that enters on a node may be sent to (kube-proxy.md, 0)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from netemu.core.proxy.endpoints import Endpoint
from netemu.core.proxy.services import ServicePort


@dataclass(frozen=True, slots=True)
class Choice:
    """The endpoints for the two traffic policies, and whether there are any at all."""

    cluster: tuple[Endpoint, ...] = ()
    local: tuple[Endpoint, ...] = ()
    """Of this node; empty unless some policy of the port is Local."""
    has_any: bool = False
    """Something somewhere would answer: without it packets are refused, not dropped."""

    @property
    def reachable(self) -> tuple[Endpoint, ...]:
        """All that packets of this node may be sent to, each once."""
        known = {(e.address, e.port) for e in self.cluster}
        return (*self.cluster, *(e for e in self.local if (e.address, e.port) not in known))


def choose(
    port: ServicePort, endpoints: Sequence[Endpoint], *, node: str, zone: str = ""
) -> Choice:
    ready = [endpoint for endpoint in endpoints if endpoint.ready]
    ending = [endpoint for endpoint in endpoints if endpoint.last_resort]
    return Choice(
        # With nothing ready, an endpoint that still serves while terminating beats
        # no answer: a rolling update must not drop the last backend (KEP-1669).
        cluster=tuple(_near(ready, node, zone) or ending) if port.uses_cluster else (),
        local=_local(ready, ending, node) if port.uses_local else (),
        has_any=bool(ready or ending),
    )


def depends_on_node(port: ServicePort, endpoints: Sequence[Endpoint]) -> bool:
    """Can the choice differ between nodes? If not, it is made once for all of them."""
    return port.uses_local or any(e.for_nodes or e.for_zones for e in endpoints)


def _local(ready: list[Endpoint], ending: list[Endpoint], node: str) -> tuple[Endpoint, ...]:
    here = tuple(endpoint for endpoint in ready if endpoint.node == node)
    return here or tuple(endpoint for endpoint in ending if endpoint.node == node)


def _near(ready: list[Endpoint], node: str, zone: str) -> list[Endpoint]:
    """Honour hints if every ready endpoint has them and at least one hints at us.

    One missing hint disables them for the whole port: a half-written set of hints
    must not send all traffic to a few endpoints.
    """
    if ready and all(endpoint.for_nodes for endpoint in ready):
        mine = [endpoint for endpoint in ready if node in endpoint.for_nodes]
        if mine:
            return mine
    if zone and ready and all(endpoint.for_zones for endpoint in ready):
        mine = [endpoint for endpoint in ready if zone in endpoint.for_zones]
        if mine:
            return mine
    return ready
