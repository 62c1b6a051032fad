"""What a Pod may fill of its empty directories, and what is said when it fills more."""

from __future__ import annotations

from collections.abc import Mapping

from netemu.core.kubelet.lifecycle import Fail
from netemu.model import quantity
from netemu.model.core_v1 import Pod

GRACE_S = 1.0
"""An evicted Pod's containers get no more, whatever the Pod asks for."""


def size_limits(pod: Pod) -> dict[str, int]:
    """Return the bytes that each limited emptyDir may hold."""
    return {
        volume.name: quantity.value(volume.empty_dir.size_limit)
        for volume in pod.spec.volumes
        if volume.empty_dir is not None and volume.empty_dir.size_limit
    }


def overfull(pod: Pod, used: Mapping[str, int]) -> Fail | None:
    """Return why the Pod must go, given how many bytes its volumes hold."""
    limits = size_limits(pod)
    for volume in pod.spec.volumes:
        if volume.name in limits and used.get(volume.name, 0) > limits[volume.name]:
            limit = volume.empty_dir.size_limit if volume.empty_dir else ""
            text = f'Usage of EmptyDir volume "{volume.name}" exceeds the limit "{limit}". '
            return Fail("Evicted", text)
    return None
