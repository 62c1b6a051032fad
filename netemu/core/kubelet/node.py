"""The Node object and its Lease, as a kubelet writes them (control-plane-and-node.md, 3.9)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from netemu.model import quantity
from netemu.model.coordination_v1 import Lease, LeaseSpec
from netemu.model.core_v1 import (
    DaemonEndpoint,
    Node,
    NodeAddress,
    NodeCondition,
    NodeDaemonEndpoints,
    NodeSpec,
    NodeStatus,
    NodeSystemInfo,
    Taint,
)
from netemu.model.meta_v1 import ObjectMeta, OwnerReference
from netemu.model.schema import MicroTime, Quantity, Time
from netemu.model.settings import NodeSettings

LEASE_NAMESPACE = "kube-node-lease"
KUBELET_VERSION = "v1.34.0-netemu"
RUNTIME_VERSION = "netemu://0.1.0"
_LEASE_SECONDS = 40
_KUBELET_PORT = 10250
_MEMORY_RESERVED = 100 * 2**20
"""Hard eviction: memory.available < 100Mi."""
_NETWORK_NOT_READY = (
    "container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady"
    " message:Network plugin returns error: {}"
)
_NOT_INITIALIZED = "cni plugin not initialized"


@dataclass(frozen=True, slots=True, kw_only=True)
class HostFacts:
    """What all nodes have from the one host."""

    cpus: int
    memory_bytes: int
    storage_bytes: int
    machine_id: str
    system_uuid: str
    boot_id: str
    kernel_version: str
    os_image: str
    architecture: str
    """Go's word: `amd64`, `arm64`."""
    resolv_conf: str = ""
    hosts: str = ""


def make(node: NodeSettings, facts: HostFacts, *, network_ready: bool, now: Time) -> Node:
    """Return the Node to register."""
    labels = {
        "beta.kubernetes.io/arch": facts.architecture,
        "beta.kubernetes.io/os": "linux",
        "kubernetes.io/arch": facts.architecture,
        "kubernetes.io/hostname": node.name,
        "kubernetes.io/os": "linux",
    }
    taints: list[Taint] = []
    if node.control_plane:
        labels["node-role.kubernetes.io/control-plane"] = ""
        labels["node.kubernetes.io/exclude-from-external-load-balancers"] = ""
        taints.append(Taint(key="node-role.kubernetes.io/control-plane", effect="NoSchedule"))
    taints += [Taint(key=one.key, value=one.value, effect=one.effect) for one in node.taints]
    return Node(
        metadata=ObjectMeta(
            name=node.name,
            labels=labels | node.labels,
            annotations={
                "node.alpha.kubernetes.io/ttl": "0",
                "volumes.kubernetes.io/controller-managed-attach-detach": "true",
            },
        ),
        spec=_spec(node, taints),
        status=status(node, facts, before=(), network_ready=network_ready, now=now),
    )


def status(
    node: NodeSettings,
    facts: HostFacts,
    *,
    before: Iterable[NodeCondition],
    network_ready: bool,
    now: Time,
    trouble: str = "",
) -> NodeStatus:
    """Return the whole status; conditions of other owners in `before` are kept.

    `trouble` says why a network that was made carries nothing now.
    """
    why_not = trouble if network_ready else _NOT_INITIALIZED
    return NodeStatus(
        capacity=capacity(facts, node),
        allocatable=allocatable(facts, node),
        conditions=_conditions(before, why_not=why_not, now=now),
        addresses=[
            NodeAddress(type="InternalIP", address=str(node.address)),
            NodeAddress(type="Hostname", address=node.name),
        ],
        daemon_endpoints=NodeDaemonEndpoints(kubelet_endpoint=DaemonEndpoint(port=_KUBELET_PORT)),
        node_info=_system_info(node, facts),
    )


def is_believed_dead(node: Node) -> bool:
    """Say whether the node's controller has given the kubelet up, having heard nothing of it."""
    return any(c.type == "Ready" and c.status == "Unknown" for c in node.status.conditions)


def capacity(facts: HostFacts, node: NodeSettings) -> dict[str, Quantity]:
    return _resources(facts, node, memory=facts.memory_bytes, storage=facts.storage_bytes)


def allocatable(facts: HostFacts, node: NodeSettings) -> dict[str, Quantity]:
    """Return the capacity without what hard eviction keeps free."""
    memory = max(facts.memory_bytes - _MEMORY_RESERVED, 0)
    return _resources(facts, node, memory=memory, storage=facts.storage_bytes * 9 // 10)


def _resources(
    facts: HostFacts, node: NodeSettings, *, memory: int, storage: int
) -> dict[str, Quantity]:
    return {
        "cpu": quantity.canonical(node.cpu or facts.cpus),
        "ephemeral-storage": quantity.canonical(f"{storage // 1024}Ki"),
        "hugepages-1Gi": quantity.canonical(0),
        "hugepages-2Mi": quantity.canonical(0),
        # What somebody asked for is what is offered, to the byte.
        "memory": quantity.canonical(node.memory or f"{memory // 1024}Ki"),
        "pods": quantity.canonical(node.max_pods),
    }


def _spec(node: NodeSettings, taints: list[Taint]) -> NodeSpec:
    if node.pod_range is None:
        return NodeSpec(taints=taints)
    return NodeSpec(taints=taints, pod_cidr=str(node.pod_range), pod_cidrs=[str(node.pod_range)])


def _system_info(node: NodeSettings, facts: HostFacts) -> NodeSystemInfo:
    del node
    return NodeSystemInfo(
        machine_id=facts.machine_id,
        system_uuid=facts.system_uuid,
        boot_id=facts.boot_id,
        kernel_version=facts.kernel_version,
        os_image=facts.os_image,
        container_runtime_version=RUNTIME_VERSION,
        kubelet_version=KUBELET_VERSION,
        kube_proxy_version=KUBELET_VERSION,
        operating_system="linux",
        architecture=facts.architecture,
    )


def _conditions(before: Iterable[NodeCondition], *, why_not: str, now: Time) -> list[NodeCondition]:
    known = {condition.type: condition for condition in before}
    ready = (
        ("False", "KubeletNotReady", _NETWORK_NOT_READY.format(why_not))
        if why_not
        else ("True", "KubeletReady", "kubelet is posting ready status")
    )
    wanted = {
        "MemoryPressure": (
            "False",
            "KubeletHasSufficientMemory",
            "kubelet has sufficient memory available",
        ),
        "DiskPressure": ("False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
        "PIDPressure": (
            "False",
            "KubeletHasSufficientPID",
            "kubelet has sufficient PID available",
        ),
        "Ready": ready,
    }
    others = [condition for condition in known.values() if condition.type not in wanted]
    mine = [_condition(kind, verdict, known.get(kind), now) for kind, verdict in wanted.items()]
    return [*others, *mine]


def _condition(
    kind: str, verdict: tuple[str, str, str], before: NodeCondition | None, now: Time
) -> NodeCondition:
    value, reason, message = verdict
    same = before is not None and before.status == value
    return NodeCondition(
        type=kind,
        status=value,
        last_heartbeat_time=now,
        last_transition_time=before.last_transition_time if same and before else now,
        reason=reason,
        message=message,
    )


def lease(node: str, *, uid: str, now: MicroTime, duration_s: int = _LEASE_SECONDS) -> Lease:
    """Return the Lease that says the kubelet lives."""
    return Lease(
        metadata=ObjectMeta(
            name=node,
            namespace=LEASE_NAMESPACE,
            owner_references=[OwnerReference(api_version="v1", kind="Node", name=node, uid=uid)],
        ),
        spec=LeaseSpec(holder_identity=node, lease_duration_seconds=duration_s, renew_time=now),
    )
