"""NodePorts: a host port can be had once an address."""

from __future__ import annotations

from netemu.core.scheduling.cluster import Cluster, NodeInfo
from netemu.core.scheduling.contract import SKIP, Candidate, Filter, Rejection, Skip, Wake
from netemu.core.scheduling.requests import HostPort

_TAKEN = Rejection(("node(s) didn't have free ports for the requested pod ports",))
_ANY = "0.0.0.0"


def prepare(candidate: Candidate, _cluster: Cluster) -> tuple[HostPort, ...] | Skip:
    return candidate.info.ports or SKIP


def check(_candidate: Candidate, node: NodeInfo, wanted: tuple[HostPort, ...]) -> Rejection | None:
    taken = [port for port, count in node.ports.items() if count]
    clash = any(_clash(mine, theirs) for mine in wanted for theirs in taken)
    return _TAKEN if clash else None


def _clash(mine: HostPort, theirs: HostPort) -> bool:
    same_port = mine[1:] == theirs[1:]
    return same_port and (mine[0] == theirs[0] or _ANY in (mine[0], theirs[0]))


FILTER = Filter(
    name="NodePorts",
    check=check,
    prepare=prepare,
    retry_on=frozenset({Wake.NODE_ADDED, Wake.POD_REMOVED}),
)
