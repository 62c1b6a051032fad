"""core/v1: Pods as they are asked for, templates of them, and binding one to a node."""

from typing import Annotated

from netemu.model.core_v1.container import (
    AppArmorProfile,
    Container,
    EphemeralContainer,
    SeccompProfile,
    SELinuxOptions,
    WindowsSecurityContextOptions,
)
from netemu.model.core_v1.placement import Affinity, Toleration, TopologySpreadConstraint
from netemu.model.core_v1.pod_status import PodStatus
from netemu.model.core_v1.references import LocalObjectReference, ObjectReference
from netemu.model.core_v1.resources import ResourceRequirements
from netemu.model.core_v1.volume import Volume
from netemu.model.meta_v1 import ObjectMeta
from netemu.model.schema import ApiObject
from netemu.model.wire import JSON_ONLY, ApiStruct, ResourceList, always, always_list, merge_by


class Sysctl(ApiStruct):
    name: Annotated[str, 1] = always(str)
    value: Annotated[str, 2] = always(str)


class PodSecurityContext(ApiStruct):
    se_linux_options: Annotated[SELinuxOptions | None, 1] = None
    windows_options: Annotated[WindowsSecurityContextOptions | None, 8] = None
    run_as_user: Annotated[int | None, 2] = None
    run_as_group: Annotated[int | None, 6] = None
    run_as_non_root: Annotated[bool | None, 3] = None
    supplemental_groups: Annotated[list[int], 4] = []
    supplemental_groups_policy: Annotated[str | None, 12] = None
    fs_group: Annotated[int | None, 5] = None
    sysctls: Annotated[list[Sysctl], 7] = []
    fs_group_change_policy: Annotated[str | None, 9] = None
    seccomp_profile: Annotated[SeccompProfile | None, 10] = None
    app_armor_profile: Annotated[AppArmorProfile | None, 11] = None
    se_linux_change_policy: Annotated[str | None, 13] = None


class HostAlias(ApiStruct):
    ip: Annotated[str, 1] = always(str)
    hostnames: Annotated[list[str], 2] = []


class PodDNSConfigOption(ApiStruct):
    name: Annotated[str, 1] = ""
    value: Annotated[str | None, 2] = None


class PodDNSConfig(ApiStruct):
    nameservers: Annotated[list[str], 1] = []
    searches: Annotated[list[str], 2] = []
    options: Annotated[list[PodDNSConfigOption], 3] = []


class PodReadinessGate(ApiStruct):
    condition_type: Annotated[str, 1] = always(str)


class PodOS(ApiStruct):
    name: Annotated[str, 1] = always(str)


class PodSchedulingGate(ApiStruct):
    name: Annotated[str, 1] = always(str)


class PodResourceClaim(ApiStruct):
    name: Annotated[str, 1] = always(str)
    resource_claim_name: Annotated[str | None, 3] = None
    resource_claim_template_name: Annotated[str | None, 4] = None


class PodSchedulingGroup(ApiStruct):
    pod_group_name: Annotated[str | None, JSON_ONLY] = None


class EvictionResponder(ApiStruct):
    name: Annotated[str, JSON_ONLY] = always(str)
    priority: Annotated[int | None, JSON_ONLY] = None


class PodSpec(ApiStruct):
    volumes: Annotated[list[Volume], 1, merge_by("name", retain_keys=True)] = []
    init_containers: Annotated[list[Container], 20, merge_by("name")] = []
    containers: Annotated[list[Container], 2, merge_by("name")] = always_list()
    ephemeral_containers: Annotated[list[EphemeralContainer], 34, merge_by("name")] = []
    restart_policy: Annotated[str, 3] = ""
    termination_grace_period_seconds: Annotated[int | None, 4] = None
    active_deadline_seconds: Annotated[int | None, 5] = None
    dns_policy: Annotated[str, 6] = ""
    node_selector: Annotated[dict[str, str], 7] = {}
    service_account_name: Annotated[str, 8] = ""
    service_account: Annotated[str, 9] = ""
    automount_service_account_token: Annotated[bool | None, 21] = None
    node_name: Annotated[str, 10] = ""
    host_network: Annotated[bool, 11] = False
    host_pid: Annotated[bool, 12] = False
    host_ipc: Annotated[bool, 13] = False
    share_process_namespace: Annotated[bool | None, 27] = None
    security_context: Annotated[PodSecurityContext | None, 14] = None
    image_pull_secrets: Annotated[list[LocalObjectReference], 15, merge_by("name")] = []
    hostname: Annotated[str, 16] = ""
    subdomain: Annotated[str, 17] = ""
    affinity: Annotated[Affinity | None, 18] = None
    scheduler_name: Annotated[str, 19] = ""
    tolerations: Annotated[list[Toleration], 22] = []
    host_aliases: Annotated[list[HostAlias], 23, merge_by("ip")] = []
    priority_class_name: Annotated[str, 24] = ""
    priority: Annotated[int | None, 25] = None
    dns_config: Annotated[PodDNSConfig | None, 26] = None
    readiness_gates: Annotated[list[PodReadinessGate], 28] = []
    runtime_class_name: Annotated[str | None, 29] = None
    enable_service_links: Annotated[bool | None, 30] = None
    preemption_policy: Annotated[str | None, 31] = None
    overhead: Annotated[ResourceList, 32] = {}
    topology_spread_constraints: Annotated[
        list[TopologySpreadConstraint], 33, merge_by("topologyKey")
    ] = []
    set_hostname_as_fqdn: Annotated[bool | None, 35] = None
    os: Annotated[PodOS | None, 36] = None
    host_users: Annotated[bool | None, 37] = None
    scheduling_gates: Annotated[list[PodSchedulingGate], 38, merge_by("name")] = []
    resource_claims: Annotated[list[PodResourceClaim], 39, merge_by("name", retain_keys=True)] = []
    resources: Annotated[ResourceRequirements | None, 40] = None
    hostname_override: Annotated[str | None, 41] = None
    scheduling_group: Annotated[PodSchedulingGroup | None, JSON_ONLY] = None
    eviction_responders: Annotated[list[EvictionResponder], JSON_ONLY] = []


class Pod(ApiObject):
    API_VERSION, KIND = "v1", "Pod"

    spec: Annotated[PodSpec, 2] = always(PodSpec)
    status: Annotated[PodStatus, 3] = always(PodStatus)


class PodTemplateSpec(ApiStruct):
    metadata: Annotated[ObjectMeta, 1] = always(ObjectMeta)
    spec: Annotated[PodSpec, 2] = always(PodSpec)


class PodTemplate(ApiObject):
    API_VERSION, KIND = "v1", "PodTemplate"

    template: Annotated[PodTemplateSpec, 2] = always(PodTemplateSpec)


class Binding(ApiObject):
    API_VERSION, KIND = "v1", "Binding"

    target: Annotated[ObjectReference, 2] = always(ObjectReference)
