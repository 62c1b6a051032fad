"""A pod's QoS class: how much of what it may use it has asked for."""

from __future__ import annotations

from netemu.model import quantity
from netemu.model.core_v1 import PodSpec

_COUNTED = ("cpu", "memory")


def quality_of_service(spec: PodSpec) -> str:
    """Return Guaranteed, Burstable or BestEffort."""
    containers = (*spec.init_containers, *spec.containers)
    asked = [
        amount
        for container in containers
        for amounts in (container.resources.requests, container.resources.limits)
        for name, amount in amounts.items()
        if name in _COUNTED and quantity.milli(amount) > 0
    ]
    if not asked:
        return "BestEffort"
    for container in containers:
        requests, limits = container.resources.requests, container.resources.limits
        for name in _COUNTED:
            limit, request = limits.get(name), requests.get(name)
            if limit is None or request is None:
                return "Burstable"
            if quantity.milli(limit) != quantity.milli(request):
                return "Burstable"
    return "Guaranteed"
