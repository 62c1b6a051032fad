"""core/v1: a container as it is asked for."""

from typing import Annotated

from netemu.model.core_v1.probe import Lifecycle, Probe
from netemu.model.core_v1.references import (
    ConfigMapKeySelector,
    FileKeySelector,
    LocalObjectReference,
    ObjectFieldSelector,
    ResourceFieldSelector,
    SecretKeySelector,
)
from netemu.model.core_v1.resources import ResourceRequirements
from netemu.model.wire import JSON_ONLY, ApiStruct, always, merge_by


class ContainerPort(ApiStruct):
    name: Annotated[str, 1] = ""
    host_port: Annotated[int, 2] = 0
    container_port: Annotated[int, 3] = always(int)
    protocol: Annotated[str, 4] = ""
    host_ip: Annotated[str, 5] = ""


class ConfigMapEnvSource(LocalObjectReference):
    INLINE = 1

    optional: Annotated[bool | None, 2] = None


class SecretEnvSource(LocalObjectReference):
    INLINE = 1

    optional: Annotated[bool | None, 2] = None


class EnvFromSource(ApiStruct):
    prefix: Annotated[str, 1] = ""
    config_map_ref: Annotated[ConfigMapEnvSource | None, 2] = None
    secret_ref: Annotated[SecretEnvSource | None, 3] = None


class EnvVarSource(ApiStruct):
    field_ref: Annotated[ObjectFieldSelector | None, 1] = None
    resource_field_ref: Annotated[ResourceFieldSelector | None, 2] = None
    config_map_key_ref: Annotated[ConfigMapKeySelector | None, 3] = None
    secret_key_ref: Annotated[SecretKeySelector | None, 4] = None
    file_key_ref: Annotated[FileKeySelector | None, 5] = None


class EnvVar(ApiStruct):
    name: Annotated[str, 1] = always(str)
    value: Annotated[str, 2] = ""
    value_from: Annotated[EnvVarSource | None, 3] = None


class ContainerResizePolicy(ApiStruct):
    resource_name: Annotated[str, 1] = always(str)
    restart_policy: Annotated[str, 2] = always(str)


class VolumeMount(ApiStruct):
    name: Annotated[str, 1] = always(str)
    read_only: Annotated[bool, 2] = False
    recursive_read_only: Annotated[str | None, 7] = None
    mount_path: Annotated[str, 3] = always(str)
    sub_path: Annotated[str, 4] = ""
    mount_propagation: Annotated[str | None, 5] = None
    sub_path_expr: Annotated[str, 6] = ""
    bind_mount_options: Annotated[list[str], JSON_ONLY] = []


class VolumeDevice(ApiStruct):
    name: Annotated[str, 1] = always(str)
    device_path: Annotated[str, 2] = always(str)


class Capabilities(ApiStruct):
    add: Annotated[list[str], 1] = []
    drop: Annotated[list[str], 2] = []


class SELinuxOptions(ApiStruct):
    user: Annotated[str, 1] = ""
    role: Annotated[str, 2] = ""
    type: Annotated[str, 3] = ""
    level: Annotated[str, 4] = ""


class WindowsSecurityContextOptions(ApiStruct):
    gmsa_credential_spec_name: Annotated[str | None, 1] = None
    gmsa_credential_spec: Annotated[str | None, 2] = None
    run_as_user_name: Annotated[str | None, 3] = None
    host_process: Annotated[bool | None, 4] = None


class SeccompProfile(ApiStruct):
    type: Annotated[str, 1] = always(str)
    localhost_profile: Annotated[str | None, 2] = None


class AppArmorProfile(ApiStruct):
    type: Annotated[str, 1] = always(str)
    localhost_profile: Annotated[str | None, 2] = None


class SecurityContext(ApiStruct):
    capabilities: Annotated[Capabilities | None, 1] = None
    privileged: Annotated[bool | None, 2] = None
    se_linux_options: Annotated[SELinuxOptions | None, 3] = None
    windows_options: Annotated[WindowsSecurityContextOptions | None, 10] = None
    run_as_user: Annotated[int | None, 4] = None
    run_as_group: Annotated[int | None, 8] = None
    run_as_non_root: Annotated[bool | None, 5] = None
    read_only_root_filesystem: Annotated[bool | None, 6] = None
    allow_privilege_escalation: Annotated[bool | None, 7] = None
    proc_mount: Annotated[str | None, 9] = None
    seccomp_profile: Annotated[SeccompProfile | None, 11] = None
    app_armor_profile: Annotated[AppArmorProfile | None, 12] = None


class ContainerRestartRuleOnExitCodes(ApiStruct):
    operator: Annotated[str, 1] = ""
    values: Annotated[list[int], 2] = []


class ContainerRestartRule(ApiStruct):
    action: Annotated[str, 1] = ""
    exit_codes: Annotated[ContainerRestartRuleOnExitCodes | None, 2] = None


class Container(ApiStruct):
    name: Annotated[str, 1] = always(str)
    image: Annotated[str, 2] = ""
    command: Annotated[list[str], 3] = []
    args: Annotated[list[str], 4] = []
    working_dir: Annotated[str, 5] = ""
    ports: Annotated[list[ContainerPort], 6, merge_by("containerPort")] = []
    env_from: Annotated[list[EnvFromSource], 19] = []
    env: Annotated[list[EnvVar], 7, merge_by("name")] = []
    resources: Annotated[ResourceRequirements, 8] = always(ResourceRequirements)
    resize_policy: Annotated[list[ContainerResizePolicy], 23] = []
    restart_policy: Annotated[str | None, 24] = None
    volume_mounts: Annotated[list[VolumeMount], 9, merge_by("mountPath")] = []
    volume_devices: Annotated[list[VolumeDevice], 21, merge_by("devicePath")] = []
    liveness_probe: Annotated[Probe | None, 10] = None
    readiness_probe: Annotated[Probe | None, 11] = None
    startup_probe: Annotated[Probe | None, 22] = None
    lifecycle: Annotated[Lifecycle | None, 12] = None
    termination_message_path: Annotated[str, 13] = ""
    termination_message_policy: Annotated[str, 20] = ""
    image_pull_policy: Annotated[str, 14] = ""
    security_context: Annotated[SecurityContext | None, 15] = None
    stdin: Annotated[bool, 16] = False
    stdin_once: Annotated[bool, 17] = False
    tty: Annotated[bool, 18] = False
    restart_policy_rules: Annotated[list[ContainerRestartRule], 25] = []


class EphemeralContainer(Container):
    INLINE = 1

    target_container_name: Annotated[str, 2] = ""
