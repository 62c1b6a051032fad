"""What depends on other objects: may this come in, and what does it bring along.

A namespaced object needs a namespace that is not ending; a pod needs a ServiceAccount
and gets its token; every pod gets a priority and puts up with a dead node for five
minutes; a new node is tainted until its kubelet has reported.
"""

from __future__ import annotations

from typing import Protocol, TypeVar

from netemu.core.names import short_hash
from netemu.errors import ApiError, Cause
from netemu.model.core_v1 import (
    ConfigMapProjection,
    Container,
    DownwardAPIProjection,
    DownwardAPIVolumeFile,
    KeyToPath,
    LocalObjectReference,
    Namespace,
    Node,
    ObjectFieldSelector,
    Pod,
    ProjectedVolumeSource,
    ServiceAccount,
    ServiceAccountTokenProjection,
    Taint,
    Toleration,
    Volume,
    VolumeMount,
    VolumeProjection,
)
from netemu.model.kinds import Resource
from netemu.model.schema import ApiObject

T = TypeVar("T", bound=ApiObject)

TOKEN_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"
_TOKEN_VOLUME = "kube-api-access-"
_TOKEN_LIFETIME_S = 3607
_MIRROR = "kubernetes.io/config.mirror"
_NOT_READY = "node.kubernetes.io/not-ready"
_UNREACHABLE = "node.kubernetes.io/unreachable"
TOLERATION_S = 300
_PRIORITIES = {
    "": 0,
    "system-cluster-critical": 2_000_000_000,
    "system-node-critical": 2_000_001_000,
}
_IMMORTAL = frozenset(("default", "kube-system", "kube-public"))


class Lookup(Protocol):
    """What is in the store, read without waiting."""

    def get(self, kind: type[T], name: str, namespace: str) -> T | None: ...


def admit(
    obj: ApiObject,
    *,
    resource: Resource,
    operation: str,
    lookup: Lookup,
    toleration_s: int = TOLERATION_S,
) -> None:
    """Let the object in, completing it, or raise ApiError; `operation` as Kubernetes names it."""
    if operation == "DELETE":
        _guard_namespaces(obj, resource)
        return
    if operation == "CREATE" and resource.namespaced:
        _require_namespace(obj, resource, lookup)
    if isinstance(obj, Pod):
        _tolerate_dead_nodes(obj, toleration_s)
        if operation == "CREATE":
            _set_priority(obj, resource)
            _give_account(obj, resource, lookup)
    elif isinstance(obj, Node) and operation == "CREATE":
        _taint_until_ready(obj)


def _forbidden(obj: ApiObject, resource: Resource, why: str, *causes: Cause) -> ApiError:
    name = obj.metadata.name
    return ApiError(
        403,
        "Forbidden",
        f'{resource.qualified} "{name}" is forbidden: {why}',
        group=resource.group,
        kind=resource.plural,
        name=name,
        causes=causes,
    )


def _guard_namespaces(obj: ApiObject, resource: Resource) -> None:
    if isinstance(obj, Namespace) and obj.metadata.name in _IMMORTAL:
        raise _forbidden(obj, resource, "this namespace may not be deleted")


def _require_namespace(obj: ApiObject, resource: Resource, lookup: Lookup) -> None:
    name = obj.metadata.namespace
    namespace = lookup.get(Namespace, name, "")
    if namespace is None:
        raise ApiError(
            404, "NotFound", f'namespaces "{name}" not found', kind="namespaces", name=name
        )
    if namespace.metadata.deletion_timestamp:
        raise _forbidden(
            obj,
            resource,
            f"unable to create new content in namespace {name} because it is being terminated",
            Cause(
                "NamespaceTerminating",
                f"namespace {name} is being terminated",
                "metadata.namespace",
            ),
        )


def _tolerate_dead_nodes(pod: Pod, toleration_s: int) -> None:
    """A pod leaves a dead node after a while, unless it says otherwise itself."""
    for key in (_NOT_READY, _UNREACHABLE):
        said = any(
            toleration.key in (key, "") and toleration.effect in ("NoExecute", "")
            for toleration in pod.spec.tolerations
        )
        if not said:
            pod.spec.tolerations.append(
                Toleration(
                    key=key,
                    operator="Exists",
                    effect="NoExecute",
                    toleration_seconds=toleration_s,
                )
            )


def _set_priority(pod: Pod, resource: Resource) -> None:
    spec = pod.spec
    priority = _PRIORITIES.get(spec.priority_class_name)
    if priority is None:
        why = f"no PriorityClass with name {spec.priority_class_name} was found"
        raise _forbidden(pod, resource, why)
    if spec.priority is not None and spec.priority != priority:
        raise _forbidden(
            pod,
            resource,
            f"the integer value of priority ({spec.priority}) must not be provided in pod spec; "
            f"priority admission controller computed {priority} from the given PriorityClass name",
        )
    spec.priority = priority
    if spec.preemption_policy is None:
        spec.preemption_policy = "PreemptLowerPriority"


def _give_account(pod: Pod, resource: Resource, lookup: Lookup) -> None:
    spec = pod.spec
    if _MIRROR in pod.metadata.annotations:
        return  # It runs already, from a file on its node, and knows no API objects.
    name = spec.service_account_name or "default"
    spec.service_account_name = spec.service_account = name
    namespace = pod.metadata.namespace
    account = lookup.get(ServiceAccount, name, namespace)
    if account is None:
        why = (
            f"error looking up service account {namespace}/{name}: "
            f'serviceaccount "{name}" not found'
        )
        raise _forbidden(pod, resource, why)
    if _wants_token(pod, account):
        _mount_token(pod)
    if not spec.image_pull_secrets:
        spec.image_pull_secrets = [
            LocalObjectReference(name=reference.name) for reference in account.image_pull_secrets
        ]


def _wants_token(pod: Pod, account: ServiceAccount) -> bool:
    if pod.spec.automount_service_account_token is not None:
        return pod.spec.automount_service_account_token
    return account.automount_service_account_token is not False


def _mount_token(pod: Pod) -> None:
    spec = pod.spec
    without = [c for c in (*spec.init_containers, *spec.containers) if not _has_token_mount(c)]
    if not without:
        return
    volume = next((v.name for v in spec.volumes if v.name.startswith(_TOKEN_VOLUME)), "")
    if not volume:
        volume = _TOKEN_VOLUME + short_hash(pod.metadata.uid, 5)
        spec.volumes.append(_token_volume(volume))
    for container in without:
        container.volume_mounts.append(
            VolumeMount(name=volume, read_only=True, mount_path=TOKEN_PATH)
        )


def _has_token_mount(container: Container) -> bool:
    return any(mount.mount_path == TOKEN_PATH for mount in container.volume_mounts)


def _token_volume(name: str) -> Volume:
    """The three things by which a pod finds and trusts the API server, and is known to it."""
    token = ServiceAccountTokenProjection(path="token", expiration_seconds=_TOKEN_LIFETIME_S)
    authority = ConfigMapProjection(
        name="kube-root-ca.crt", items=[KeyToPath(key="ca.crt", path="ca.crt")]
    )
    namespace = DownwardAPIVolumeFile(
        path="namespace",
        field_ref=ObjectFieldSelector(api_version="v1", field_path="metadata.namespace"),
    )
    sources = [
        VolumeProjection(service_account_token=token),
        VolumeProjection(config_map=authority),
        VolumeProjection(downward_api=DownwardAPIProjection(items=[namespace])),
    ]
    return Volume(name=name, projected=ProjectedVolumeSource(sources=sources, default_mode=0o644))


def _taint_until_ready(node: Node) -> None:
    if not any(t.key == _NOT_READY and t.effect == "NoSchedule" for t in node.spec.taints):
        node.spec.taints.append(Taint(key=_NOT_READY, effect="NoSchedule"))
