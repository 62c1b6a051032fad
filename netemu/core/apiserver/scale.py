"""Scale: how many, without knowing of what.

`kubectl scale` and autoscalers read and write `/scale`; the number itself lives in the
object. The status' selector is text here, for clients that cannot read the object.
"""

from __future__ import annotations

from netemu.core.apiserver.field_errors import bad_value, invalid_kind
from netemu.model.apps_v1 import Deployment, ReplicaSet
from netemu.model.autoscaling_v1 import Scale, ScaleSpec, ScaleStatus
from netemu.model.meta_v1 import ObjectMeta
from netemu.model.schema import copy_of
from netemu.model.selector import from_label_selector

Scalable = Deployment | ReplicaSet


def scale_of(obj: Scalable) -> Scale:
    """Return the object's Scale."""
    meta = obj.metadata
    return Scale(
        metadata=ObjectMeta(
            name=meta.name,
            namespace=meta.namespace,
            uid=meta.uid,
            resource_version=meta.resource_version,
            creation_timestamp=meta.creation_timestamp,
        ),
        spec=ScaleSpec(replicas=obj.spec.replicas or 0),
        status=ScaleStatus(
            replicas=obj.status.replicas, selector=str(from_label_selector(obj.spec.selector))
        ),
    )


def scaled(obj: Scalable, scale: Scale) -> Scalable:
    """Return a copy of the object with the replicas that `scale` asks for; ApiError 422."""
    replicas = scale.spec.replicas
    if replicas < 0:
        detail = "must be greater than or equal to 0"
        error = bad_value("spec.replicas", replicas, detail)
        raise invalid_kind("autoscaling", "Scale", obj.metadata.name, [error])
    changed = copy_of(obj)
    changed.spec.replicas = replicas
    # What the client read decides whether it may write.
    changed.metadata.resource_version = scale.metadata.resource_version
    return changed
