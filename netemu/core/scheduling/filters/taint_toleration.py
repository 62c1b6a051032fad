"""TaintToleration: NoSchedule and NoExecute taints keep away Pods that do not tolerate them."""

from __future__ import annotations

from netemu.core.control.taints import NO_EXECUTE, NO_SCHEDULE, is_tolerated
from netemu.core.scheduling.cluster import NodeInfo
from netemu.core.scheduling.contract import Candidate, Filter, Rejection, Wake


def check(candidate: Candidate, node: NodeInfo, _prepared: None) -> Rejection | None:
    for taint in node.node.spec.taints:
        if taint.effect not in (NO_SCHEDULE, NO_EXECUTE):
            continue
        if not is_tolerated(taint, candidate.info.pod.spec.tolerations):
            reason = f"node(s) had untolerated taint {{{taint.key}: {taint.value}}}"
            return Rejection((reason,), resolvable=False)
    return None


FILTER = Filter(
    name="TaintToleration",
    check=check,
    retry_on=frozenset({Wake.NODE_ADDED, Wake.NODE_TAINTS}),
)
