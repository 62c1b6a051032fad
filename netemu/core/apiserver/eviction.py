"""May this pod be evicted? No PodDisruptionBudget is served yet, so always.

An eviction that is granted becomes a DELETE of the pod with the options that came
with the Eviction.
"""

from __future__ import annotations

from netemu.errors import ApiError
from netemu.model.core_v1 import Pod
from netemu.model.meta_v1 import DeleteOptions
from netemu.model.policy_v1 import Eviction


def options_for(pod: Pod, eviction: Eviction) -> DeleteOptions:
    """Return how the pod is to be deleted; ApiError if the eviction means another pod."""
    if eviction.metadata.name not in ("", pod.metadata.name):
        raise ApiError(
            400,
            "BadRequest",
            f"name in URL does not match name in Eviction object: {pod.metadata.name} != "
            f"{eviction.metadata.name}",
        )
    return eviction.delete_options or DeleteOptions()
