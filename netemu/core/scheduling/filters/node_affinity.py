"""NodeAffinity: the Pod's nodeSelector and required node affinity."""

from __future__ import annotations

from netemu.core.scheduling.cluster import Cluster, NodeInfo
from netemu.core.scheduling.contract import SKIP, Candidate, Filter, Rejection, Skip, Wake
from netemu.core.scheduling.node_selection import is_meant, required_terms

_MISMATCH = Rejection(("node(s) didn't match Pod's node affinity/selector",), resolvable=False)


def prepare(candidate: Candidate, _cluster: Cluster) -> Skip | None:
    pod = candidate.info.pod
    return None if pod.spec.node_selector or required_terms(pod) is not None else SKIP


def check(candidate: Candidate, node: NodeInfo, _prepared: None) -> Rejection | None:
    return None if is_meant(candidate.info.pod, node.name, node.labels) else _MISMATCH


FILTER = Filter(
    name="NodeAffinity",
    check=check,
    prepare=prepare,
    retry_on=frozenset({Wake.NODE_ADDED, Wake.NODE_LABELS}),
)
