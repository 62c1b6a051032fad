"""Quality of service, cgroups and the out-of-memory score (control-plane-and-node.md, 3.5)."""

from __future__ import annotations

from collections.abc import Iterable

from netemu.model import quantity
from netemu.model.core_v1 import Container, Pod
from netemu.model.runtime import Resources
from netemu.model.schema import Quantity

GUARANTEED = "Guaranteed"
BURSTABLE = "Burstable"
BEST_EFFORT = "BestEffort"

_SHARES_MIN = 2
_SHARES_MAX = 262_144
_QUOTA_MIN_US = 1000
_CRITICAL_PRIORITY = 2_000_000_000
_NONE = Quantity("")
_COMPUTE = ("cpu", "memory")


def all_containers(pod: Pod) -> Iterable[Container]:
    return (*pod.spec.init_containers, *pod.spec.containers)


def qos_class(pod: Pod) -> str:
    """Return the Pod's class from the requests and limits of all of its containers."""
    guaranteed = True
    anything = False
    for container in all_containers(pod):
        limits, requests = container.resources.limits, container.resources.requests
        for resource in _COMPUTE:
            limit, request = limits.get(resource, _NONE), requests.get(resource, _NONE)
            anything = anything or bool(limit) or bool(request)
            same = limit and (not request or quantity.milli(limit) == quantity.milli(request))
            guaranteed = guaranteed and bool(same)
    if not anything:
        return BEST_EFFORT
    return GUARANTEED if guaranteed else BURSTABLE


def pod_cgroup(pod: Pod) -> str:
    """Return the path below the cluster's cgroup."""
    middle = {GUARANTEED: "", BURSTABLE: "burstable/", BEST_EFFORT: "besteffort/"}
    return f"kubepods/{middle[qos_class(pod)]}pod{pod.metadata.uid}"


def cpu_shares(milli_cpu: int) -> int:
    return min(max(milli_cpu * 1024 // 1000, _SHARES_MIN), _SHARES_MAX)


def container_resources(pod: Pod, container: Container, *, memory_capacity: int) -> Resources:
    """Return what the container's cgroup holds it to."""
    limits, requests = container.resources.limits, container.resources.requests
    cpu_limit = quantity.milli(limits["cpu"]) if "cpu" in limits else 0
    cpu = quantity.milli(requests["cpu"]) if "cpu" in requests else cpu_limit
    return Resources(
        cpu_shares=cpu_shares(cpu),
        cpu_quota_us=max(cpu_limit * 100, _QUOTA_MIN_US) if cpu_limit else 0,
        memory_bytes=quantity.value(limits["memory"]) if "memory" in limits else 0,
        oom_score_adj=oom_score_adj(pod, container, memory_capacity=memory_capacity),
    )


def memory_limit(pod: Pod) -> int:
    """Return what all of the Pod may have; 0 if any of its containers has no limit."""
    limits = [container.resources.limits.get("memory", _NONE) for container in pod.spec.containers]
    return sum(quantity.value(limit) for limit in limits) if all(limits) else 0


def oom_score_adj(pod: Pod, container: Container, *, memory_capacity: int) -> int:
    """Return who dies first: best effort, then those that use the most of what they asked."""
    qos = qos_class(pod)
    if qos == GUARANTEED or (pod.spec.priority or 0) >= _CRITICAL_PRIORITY:
        return -997
    if qos == BEST_EFFORT:
        return 1000
    request = container.resources.requests.get("memory", _NONE)
    asked = quantity.value(request) if request else 0
    return min(max(1000 - 1000 * asked // max(memory_capacity, 1), 3), 999)
