"""NodeResourcesFit: what is requested on a Node never exceeds what it has to give."""

from __future__ import annotations

from netemu.core.scheduling.cluster import NodeInfo
from netemu.core.scheduling.contract import Candidate, Filter, Rejection, Wake


def check(candidate: Candidate, node: NodeInfo, _prepared: None) -> Rejection | None:
    reasons = []
    if len(node.pods) + 1 > node.allocatable.get("pods", 0):
        reasons.append("Too many pods")
    hopeless = False
    for name, asked in candidate.info.request.items():
        allocatable = node.allocatable.get(name, 0)
        if asked and asked > allocatable - node.requested.get(name, 0):
            reasons.append(f"Insufficient {name}")
            hopeless = hopeless or asked > allocatable
    # No Pod that leaves makes room for one that is larger than the Node.
    return Rejection(tuple(reasons), resolvable=not hopeless) if reasons else None


FILTER = Filter(
    name="NodeResourcesFit",
    check=check,
    retry_on=frozenset({Wake.NODE_ADDED, Wake.NODE_ALLOCATABLE, Wake.POD_REMOVED}),
)
