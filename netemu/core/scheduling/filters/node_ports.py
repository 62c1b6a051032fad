"""NodePorts: a host port can be had once an address."""

from __future__ import annotations

from netemu.core.scheduling.cluster import Cluster, NodeInfo
from netemu.core.scheduling.contract import SKIP, Candidate, Filter, Rejection, Skip, Wake
from netemu.core.scheduling.requests import HostPort, ports_clash

_TAKEN = Rejection(("node(s) didn't have free ports for the requested pod ports",))


def prepare(candidate: Candidate, _cluster: Cluster) -> tuple[HostPort, ...] | Skip:
    return candidate.info.ports or SKIP


def check(_candidate: Candidate, node: NodeInfo, wanted: tuple[HostPort, ...]) -> Rejection | None:
    taken = [port for port, count in node.ports.items() if count]
    clash = any(ports_clash(mine, theirs) for mine in wanted for theirs in taken)
    return _TAKEN if clash else None


FILTER = Filter(
    name="NodePorts",
    check=check,
    prepare=prepare,
    retry_on=frozenset({Wake.NODE_ADDED, Wake.POD_REMOVED}),
)
