"""NodeName: a Pod that names its Node goes there or nowhere."""

from __future__ import annotations

from netemu.core.scheduling.cluster import Cluster, NodeInfo
from netemu.core.scheduling.contract import SKIP, Candidate, Filter, Rejection, Skip, Wake

_OTHER = Rejection(("node(s) didn't match the requested node name",), resolvable=False)


def prepare(candidate: Candidate, _cluster: Cluster) -> str | Skip:
    return candidate.info.pod.spec.node_name or SKIP


def check(_candidate: Candidate, node: NodeInfo, wanted: str) -> Rejection | None:
    return None if node.name == wanted else _OTHER


FILTER = Filter(
    name="NodeName", check=check, prepare=prepare, retry_on=frozenset({Wake.NODE_ADDED})
)
