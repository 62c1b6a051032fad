"""core/v1: what became of a Pod."""

from typing import Annotated

from netemu.model.core_v1.container_status import ContainerStatus
from netemu.model.core_v1.resources import ResourceRequirements
from netemu.model.wire import JSON_ONLY, ApiStruct, Quantity, ResourceList, Time, always, merge_by


class PodCondition(ApiStruct):
    type: Annotated[str, 1] = always(str)
    observed_generation: Annotated[int, 7] = 0
    status: Annotated[str, 2] = always(str)
    last_probe_time: Annotated[Time, 3] = Time("")
    last_transition_time: Annotated[Time, 4] = Time("")
    reason: Annotated[str, 5] = ""
    message: Annotated[str, 6] = ""


class HostIP(ApiStruct):
    ip: Annotated[str, 1] = always(str)


class PodIP(ApiStruct):
    ip: Annotated[str, 1] = always(str)


class PodResourceClaimStatus(ApiStruct):
    name: Annotated[str, 1] = always(str)
    resource_claim_name: Annotated[str | None, 2] = None


class ContainerExtendedResourceRequest(ApiStruct):
    container_name: Annotated[str, 1] = always(str)
    resource_name: Annotated[str, 2] = always(str)
    request_name: Annotated[str, 3] = always(str)


class PodExtendedResourceClaimStatus(ApiStruct):
    request_mappings: Annotated[list[ContainerExtendedResourceRequest], 1] = []
    resource_claim_name: Annotated[str, 2] = always(str)


class NodeAllocatableMappedResources(ApiStruct):
    name: Annotated[str, JSON_ONLY] = always(str)
    quantity: Annotated[Quantity | None, JSON_ONLY] = None


class NodeAllocatableOverheadResources(ApiStruct):
    name: Annotated[str, JSON_ONLY] = always(str)
    per_container: Annotated[Quantity | None, JSON_ONLY] = None
    per_pod: Annotated[Quantity | None, JSON_ONLY] = None


class NodeAllocatableResourceClaimStatus(ApiStruct):
    resource_claim_name: Annotated[str, JSON_ONLY] = always(str)
    containers: Annotated[list[str], JSON_ONLY] = []
    mapping: Annotated[list[NodeAllocatableMappedResources], JSON_ONLY] = []
    overhead: Annotated[list[NodeAllocatableOverheadResources], JSON_ONLY] = []


class VolumeHealthCondition(ApiStruct):
    status: Annotated[str, JSON_ONLY] = always(str)
    reason: Annotated[str, JSON_ONLY] = ""
    message: Annotated[str, JSON_ONLY] = ""


class PodVolumeHealth(ApiStruct):
    name: Annotated[str, JSON_ONLY] = always(str)
    health_conditions: Annotated[list[VolumeHealthCondition], JSON_ONLY] = []
    last_transition_time: Annotated[Time, JSON_ONLY] = Time("")


class PodStatus(ApiStruct):
    observed_generation: Annotated[int, 17] = 0
    phase: Annotated[str, 1] = ""
    conditions: Annotated[list[PodCondition], 2, merge_by("type")] = []
    message: Annotated[str, 3] = ""
    reason: Annotated[str, 4] = ""
    nominated_node_name: Annotated[str, 11] = ""
    host_ip: Annotated[str, 5] = ""
    host_ips: Annotated[list[HostIP], 16, merge_by("ip")] = []
    pod_ip: Annotated[str, 6] = ""
    pod_ips: Annotated[list[PodIP], 12, merge_by("ip")] = []
    start_time: Annotated[Time | None, 7] = None
    init_container_statuses: Annotated[list[ContainerStatus], 10] = []
    container_statuses: Annotated[list[ContainerStatus], 8] = []
    qos_class: Annotated[str, 9] = ""
    ephemeral_container_statuses: Annotated[list[ContainerStatus], 13] = []
    resize: Annotated[str, 14] = ""
    resource_claim_statuses: Annotated[
        list[PodResourceClaimStatus], 15, merge_by("name", retain_keys=True)
    ] = []
    extended_resource_claim_status: Annotated[PodExtendedResourceClaimStatus | None, 18] = None
    allocated_resources: Annotated[ResourceList, 19] = {}
    resources: Annotated[ResourceRequirements | None, 20] = None
    node_allocatable_resource_claim_statuses: Annotated[
        list[NodeAllocatableResourceClaimStatus], JSON_ONLY
    ] = []
    volume_health: Annotated[list[PodVolumeHealth], JSON_ONLY] = []
