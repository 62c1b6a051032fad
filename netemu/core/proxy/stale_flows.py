"""Which UDP flows conntrack must forget (kube-proxy.md, 1.8).

UDP has no handshake: a client that keeps sending keeps its conntrack entry alive, and
with it the endpoint chosen long ago, or the memory that there was none. Such flows
are deleted; the next packet is a first packet again. TCP and SCTP notice by themselves.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from netemu.core.proxy.contract import ServedPort, ServiceTable
from netemu.core.proxy.services import Address

Place = tuple[Address, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """One conntrack entry: where its first packet went to, and who answers."""

    destination: Address
    port: int
    answer_from: Address
    answer_port: int
    handle: bytes = b""
    """What names it to the kernel."""


def udp_ports(services: ServiceTable) -> frozenset[ServedPort]:
    """Return what stale flows depend on: equal sets mean that there is nothing to look for."""
    return frozenset(served for served in services if served.port.protocol == "udp")


def stale_flows(flows: Iterable[Flow], served: Iterable[ServedPort]) -> Iterator[Flow]:
    """Yield the flows to a UDP Service whose answer does not come from its endpoints.

    Ports that nobody serves are left alone. Policies and hints do not matter here:
    changing them cuts no flow.
    """
    by_place: dict[Place, frozenset[Place]] = {}
    by_node_port: dict[int, frozenset[Place]] = {}
    for one in served:
        port = one.port
        serving = frozenset((e.address, e.port) for e in one.endpoints if e.serving)
        if not serving:
            continue
        for address in (port.cluster_ip, *port.external_ips, *port.load_balancer_ips):
            by_place[address, port.port] = serving
        if port.node_port:
            by_node_port[port.node_port] = serving
    for flow in flows:
        serving = by_place.get((flow.destination, flow.port)) or by_node_port.get(
            flow.port, frozenset()
        )
        if serving and (flow.answer_from, flow.answer_port) not in serving:
            yield flow
