"""NodeUnschedulable: a cordoned Node takes only Pods that tolerate just that."""

from __future__ import annotations

from netemu.core.control.taints import NO_SCHEDULE, UNSCHEDULABLE, is_tolerated
from netemu.core.scheduling.cluster import NodeInfo
from netemu.core.scheduling.contract import Candidate, Filter, Rejection, Wake
from netemu.model.core_v1 import Taint

_CORDONED = Rejection(("node(s) were unschedulable",), resolvable=False)
_TAINT = Taint(key=UNSCHEDULABLE, effect=NO_SCHEDULE)


def check(candidate: Candidate, node: NodeInfo, _prepared: None) -> Rejection | None:
    if not node.node.spec.unschedulable:
        return None
    return None if is_tolerated(_TAINT, candidate.info.pod.spec.tolerations) else _CORDONED


FILTER = Filter(
    name="NodeUnschedulable",
    check=check,
    retry_on=frozenset({Wake.NODE_ADDED, Wake.NODE_TAINTS}),
)
