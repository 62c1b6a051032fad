"""core/v1: nodes."""

from typing import Annotated

from netemu.model.schema import ApiObject
from netemu.model.wire import (
    JSON_ONLY,
    MERGED,
    ApiStruct,
    ResourceList,
    Time,
    always,
    always_list,
    merge_by,
    odd,
)


class Taint(ApiStruct):
    key: Annotated[str, 1] = always(str)
    value: Annotated[str, 2] = ""
    effect: Annotated[str, 3] = always(str)
    time_added: Annotated[Time | None, 4] = None


class ConfigMapNodeConfigSource(ApiStruct):
    namespace: Annotated[str, 1] = always(str)
    name: Annotated[str, 2] = always(str)
    uid: Annotated[str, 3] = ""
    resource_version: Annotated[str, 4] = ""
    kubelet_config_key: Annotated[str, 5] = always(str)


class NodeConfigSource(ApiStruct):
    config_map: Annotated[ConfigMapNodeConfigSource | None, 2] = None


class NodePodPreemptionPolicy(ApiStruct):
    disable_resize_preemption: Annotated[list[str], JSON_ONLY] = []


class NodeSpec(ApiStruct):
    pod_cidr: Annotated[str, 1] = ""
    pod_cidrs: Annotated[list[str], 7, MERGED] = []
    provider_id: Annotated[str, 3] = ""
    unschedulable: Annotated[bool, 4] = False
    taints: Annotated[list[Taint], 5] = []
    config_source: Annotated[NodeConfigSource | None, 6] = None
    external_id: Annotated[str, 2] = ""
    pod_preemption_policy: Annotated[NodePodPreemptionPolicy | None, JSON_ONLY] = None


class NodeCondition(ApiStruct):
    type: Annotated[str, 1] = always(str)
    status: Annotated[str, 2] = always(str)
    last_heartbeat_time: Annotated[Time, 3] = Time("")
    last_transition_time: Annotated[Time, 4] = Time("")
    reason: Annotated[str, 5] = ""
    message: Annotated[str, 6] = ""


class NodeAddress(ApiStruct):
    type: Annotated[str, 1] = always(str)
    address: Annotated[str, 2] = always(str)


class DaemonEndpoint(ApiStruct):
    port: Annotated[int, 1] = odd("Port", int)


class NodeDaemonEndpoints(ApiStruct):
    kubelet_endpoint: Annotated[DaemonEndpoint, 1] = always(DaemonEndpoint)


class NodeSwapStatus(ApiStruct):
    capacity: Annotated[int | None, 1] = None


class NodeSystemInfo(ApiStruct):
    machine_id: Annotated[str, 1] = always(str)
    system_uuid: Annotated[str, 2] = always(str)
    boot_id: Annotated[str, 3] = always(str)
    kernel_version: Annotated[str, 4] = always(str)
    os_image: Annotated[str, 5] = always(str)
    container_runtime_version: Annotated[str, 6] = always(str)
    kubelet_version: Annotated[str, 7] = always(str)
    kube_proxy_version: Annotated[str, 8] = always(str)
    operating_system: Annotated[str, 9] = always(str)
    architecture: Annotated[str, 10] = always(str)
    swap: Annotated[NodeSwapStatus | None, 11] = None
    running_in_user_namespace: Annotated[bool | None, JSON_ONLY] = None


class ContainerImage(ApiStruct):
    names: Annotated[list[str], 1] = always_list()
    size_bytes: Annotated[int, 2] = 0


class AttachedVolume(ApiStruct):
    name: Annotated[str, 1] = always(str)
    device_path: Annotated[str, 2] = always(str)


class NodeConfigStatus(ApiStruct):
    assigned: Annotated[NodeConfigSource | None, 1] = None
    active: Annotated[NodeConfigSource | None, 2] = None
    last_known_good: Annotated[NodeConfigSource | None, 3] = None
    error: Annotated[str, 4] = ""


class NodeRuntimeHandlerFeatures(ApiStruct):
    recursive_read_only_mounts: Annotated[bool | None, 1] = None
    user_namespaces: Annotated[bool | None, 2] = None


class NodeRuntimeHandler(ApiStruct):
    name: Annotated[str, 1] = always(str)
    features: Annotated[NodeRuntimeHandlerFeatures | None, 2] = None


class NodeFeatures(ApiStruct):
    supplemental_groups_policy: Annotated[bool | None, 1] = None


class NodeStatus(ApiStruct):
    capacity: Annotated[ResourceList, 1] = {}
    allocatable: Annotated[ResourceList, 2] = {}
    phase: Annotated[str, 3] = ""
    conditions: Annotated[list[NodeCondition], 4, merge_by("type")] = []
    addresses: Annotated[list[NodeAddress], 5, merge_by("type")] = []
    daemon_endpoints: Annotated[NodeDaemonEndpoints, 6] = always(NodeDaemonEndpoints)
    node_info: Annotated[NodeSystemInfo, 7] = always(NodeSystemInfo)
    images: Annotated[list[ContainerImage], 8] = []
    volumes_in_use: Annotated[list[str], 9] = []
    volumes_attached: Annotated[list[AttachedVolume], 10] = []
    config: Annotated[NodeConfigStatus | None, 11] = None
    runtime_handlers: Annotated[list[NodeRuntimeHandler], 12] = []
    features: Annotated[NodeFeatures | None, 13] = None
    declared_features: Annotated[list[str], 14] = []


class Node(ApiObject):
    API_VERSION, KIND = "v1", "Node"

    spec: Annotated[NodeSpec, 2] = always(NodeSpec)
    status: Annotated[NodeStatus, 3] = always(NodeStatus)
