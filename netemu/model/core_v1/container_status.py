"""core/v1: what became of a container."""

from typing import Annotated

from netemu.model.core_v1.resources import ResourceRequirements
from netemu.model.wire import JSON_ONLY, ApiStruct, ResourceList, Time, always, merge_by


class ContainerStateWaiting(ApiStruct):
    reason: Annotated[str, 1] = ""
    message: Annotated[str, 2] = ""


class ContainerStateRunning(ApiStruct):
    started_at: Annotated[Time, 1] = Time("")


class ContainerStateTerminated(ApiStruct):
    exit_code: Annotated[int, 1] = always(int)
    signal: Annotated[int, 2] = 0
    reason: Annotated[str, 3] = ""
    message: Annotated[str, 4] = ""
    started_at: Annotated[Time, 5] = Time("")
    finished_at: Annotated[Time, 6] = Time("")
    container_id: Annotated[str, 7] = ""


class ContainerState(ApiStruct):
    waiting: Annotated[ContainerStateWaiting | None, 1] = None
    running: Annotated[ContainerStateRunning | None, 2] = None
    terminated: Annotated[ContainerStateTerminated | None, 3] = None


class ImageVolumeStatus(ApiStruct):
    image_ref: Annotated[str, JSON_ONLY] = ""


class VolumeStatus(ApiStruct):
    image: Annotated[ImageVolumeStatus | None, JSON_ONLY] = None


class VolumeMountStatus(ApiStruct):
    name: Annotated[str, 1] = always(str)
    mount_path: Annotated[str, 2] = always(str)
    read_only: Annotated[bool, 3] = False
    recursive_read_only: Annotated[str | None, 4] = None
    volume_status: Annotated[VolumeStatus | None, JSON_ONLY] = None


class LinuxContainerUser(ApiStruct):
    uid: Annotated[int, 1] = always(int)
    gid: Annotated[int, 2] = always(int)
    supplemental_groups: Annotated[list[int], 3] = []


class ContainerUser(ApiStruct):
    linux: Annotated[LinuxContainerUser | None, 1] = None


class ResourceHealth(ApiStruct):
    resource_id: Annotated[str, 1] = always(str)
    health: Annotated[str, 2] = ""
    message: Annotated[str | None, JSON_ONLY] = None


class ResourceStatus(ApiStruct):
    name: Annotated[str, 1] = always(str)
    resources: Annotated[list[ResourceHealth], 2] = []


class ContainerStatus(ApiStruct):
    name: Annotated[str, 1] = always(str)
    state: Annotated[ContainerState, 2] = always(ContainerState)
    last_state: Annotated[ContainerState, 3] = always(ContainerState)
    ready: Annotated[bool, 4] = always(bool)
    restart_count: Annotated[int, 5] = always(int)
    image: Annotated[str, 6] = always(str)
    image_id: Annotated[str, 7] = always(str)
    container_id: Annotated[str, 8] = ""
    started: Annotated[bool | None, 9] = None
    allocated_resources: Annotated[ResourceList, 10] = {}
    resources: Annotated[ResourceRequirements | None, 11] = None
    volume_mounts: Annotated[list[VolumeMountStatus], 12, merge_by("mountPath")] = []
    user: Annotated[ContainerUser | None, 13] = None
    allocated_resources_status: Annotated[list[ResourceStatus], 14, merge_by("name")] = []
    stop_signal: Annotated[str | None, 15] = None
