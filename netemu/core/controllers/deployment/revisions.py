"""A Deployment's ReplicaSets as its history: names, hashes, revision annotations.

The "new" ReplicaSet is the oldest whose template equals the Deployment's, the
hash label aside. The hash only makes names: nobody may depend on its value, so
any stable hash of the template will do (control-plane-and-node.md, 0).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from netemu.core.control.ownership import owner_reference
from netemu.model.apps_v1 import Deployment, ReplicaSet, ReplicaSetSpec
from netemu.model.core_v1 import PodTemplateSpec
from netemu.model.meta_v1 import LabelSelector, ObjectMeta
from netemu.model.schema import copy_of

HASH_LABEL = "pod-template-hash"
REVISION = "deployment.kubernetes.io/revision"
HISTORY = "deployment.kubernetes.io/revision-history"
DESIRED = "deployment.kubernetes.io/desired-replicas"
MAXIMUM = "deployment.kubernetes.io/max-replicas"
_NOT_INHERITED = {
    "kubectl.kubernetes.io/last-applied-configuration",
    REVISION,
    HISTORY,
    DESIRED,
    MAXIMUM,
    "deprecated.deployment.rollback.to",
}
_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
_FNV_OFFSET, _FNV_PRIME = 0x811C9DC5, 0x01000193


def _fnv_1a(data: bytes) -> int:
    value = _FNV_OFFSET
    for byte in data:
        value = ((value ^ byte) * _FNV_PRIME) & 0xFFFFFFFF
    return value


def template_hash(template: PodTemplateSpec, collisions: int | None) -> str:
    """At most ten characters that stand for a template."""
    data = msgspec.json.encode(template, order="deterministic")
    if collisions is not None:
        # Anybody may write a status: whatever number it is must do.
        data += (collisions & 0xFFFFFFFF).to_bytes(4, "little") + bytes(4)
    return "".join(_ALPHABET[ord(digit) % 27] for digit in str(_fnv_1a(data)))


def _without_hash(template: PodTemplateSpec) -> PodTemplateSpec:
    if HASH_LABEL not in template.metadata.labels:
        return template
    bare = copy_of(template)
    del bare.metadata.labels[HASH_LABEL]
    return bare


def same_template(one: PodTemplateSpec, other: PodTemplateSpec) -> bool:
    return bool(_without_hash(one) == _without_hash(other))


def oldest_first(sets: Iterable[ReplicaSet]) -> list[ReplicaSet]:
    return sorted(sets, key=lambda rs: (rs.metadata.creation_timestamp or "", rs.metadata.name))


def find_new(deployment: Deployment, sets: Iterable[ReplicaSet]) -> ReplicaSet | None:
    wanted = deployment.spec.template
    for replica_set in oldest_first(sets):
        if same_template(replica_set.spec.template, wanted):
            return replica_set
    return None


def revision_of(obj: ReplicaSet | Deployment) -> int:
    text = obj.metadata.annotations.get(REVISION, "")
    return int(text) if text.isdecimal() else 0


def next_revision(old: Sequence[ReplicaSet]) -> int:
    return max((revision_of(replica_set) for replica_set in old), default=0) + 1


def replica_annotations(deployment: Deployment, surge: int) -> dict[str, str]:
    """What a ReplicaSet remembers of the Deployment's size: a change of it is a scaling event."""
    wanted = wanted_replicas(deployment)
    return {DESIRED: str(wanted), MAXIMUM: str(wanted + surge)}


def wanted_replicas(deployment: Deployment) -> int:
    replicas = deployment.spec.replicas
    return 1 if replicas is None else replicas


def size_of(replica_set: ReplicaSet) -> int:
    replicas = replica_set.spec.replicas
    return 1 if replicas is None else replicas


def _inherited(deployment: Deployment) -> dict[str, str]:
    return {
        key: value
        for key, value in deployment.metadata.annotations.items()
        if key not in _NOT_INHERITED
    }


def new_replica_set(
    deployment: Deployment, *, revision: int, replicas: int, surge: int
) -> ReplicaSet:
    spec = deployment.spec
    hashed = template_hash(spec.template, deployment.status.collision_count)
    template = copy_of(spec.template)
    template.metadata.labels[HASH_LABEL] = hashed
    selector = copy_of(spec.selector) if spec.selector else LabelSelector()
    selector.match_labels[HASH_LABEL] = hashed
    return ReplicaSet(
        metadata=ObjectMeta(
            name=f"{deployment.metadata.name}-{hashed}",
            namespace=deployment.metadata.namespace,
            labels=dict(template.metadata.labels),
            annotations={
                **_inherited(deployment),
                REVISION: str(revision),
                **replica_annotations(deployment, surge),
            },
            owner_references=[owner_reference(deployment)],
        ),
        spec=ReplicaSetSpec(
            replicas=replicas,
            min_ready_seconds=spec.min_ready_seconds,
            selector=selector,
            template=template,
        ),
    )


def revised(deployment: Deployment, replica_set: ReplicaSet, revision: int) -> ReplicaSet:
    """The new ReplicaSet brought up to date; the same object if it is."""
    annotations = {**replica_set.metadata.annotations, **_inherited(deployment)}
    before = revision_of(replica_set)
    if before < revision:
        annotations[REVISION] = str(revision)
        if before:
            history = [entry for entry in annotations.get(HISTORY, "").split(",") if entry]
            annotations[HISTORY] = ",".join([*history, str(before)])
    min_ready_s = deployment.spec.min_ready_seconds
    if (
        annotations == replica_set.metadata.annotations
        and min_ready_s == replica_set.spec.min_ready_seconds
    ):
        return replica_set
    changed = copy_of(replica_set)
    changed.metadata.annotations = annotations
    changed.spec.min_ready_seconds = min_ready_s
    return changed
