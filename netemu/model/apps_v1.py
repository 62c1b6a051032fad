"""apps/v1: Deployments and their ReplicaSets."""

from typing import Annotated

from netemu.model.core_v1.pod import PodTemplateSpec
from netemu.model.meta_v1 import LabelSelector
from netemu.model.schema import ApiObject
from netemu.model.wire import RETAIN_KEYS, ApiStruct, IntOrString, Time, always, merge_by


class RollingUpdateDeployment(ApiStruct):
    max_unavailable: Annotated[IntOrString | None, 1] = None
    max_surge: Annotated[IntOrString | None, 2] = None


class DeploymentStrategy(ApiStruct):
    type: Annotated[str, 1] = ""
    rolling_update: Annotated[RollingUpdateDeployment | None, 2] = None


class DeploymentSpec(ApiStruct):
    replicas: Annotated[int | None, 1] = None
    selector: Annotated[LabelSelector | None, 2] = None
    template: Annotated[PodTemplateSpec, 3] = always(PodTemplateSpec)
    strategy: Annotated[DeploymentStrategy, 4, RETAIN_KEYS] = always(DeploymentStrategy)
    min_ready_seconds: Annotated[int, 5] = 0
    revision_history_limit: Annotated[int | None, 6] = None
    paused: Annotated[bool, 7] = False
    progress_deadline_seconds: Annotated[int | None, 9] = None


class DeploymentCondition(ApiStruct):
    type: Annotated[str, 1] = always(str)
    status: Annotated[str, 2] = always(str)
    last_update_time: Annotated[Time, 6] = Time("")
    last_transition_time: Annotated[Time, 7] = Time("")
    reason: Annotated[str, 4] = ""
    message: Annotated[str, 5] = ""


class DeploymentStatus(ApiStruct):
    observed_generation: Annotated[int, 1] = 0
    replicas: Annotated[int, 2] = 0
    updated_replicas: Annotated[int, 3] = 0
    ready_replicas: Annotated[int, 7] = 0
    available_replicas: Annotated[int, 4] = 0
    unavailable_replicas: Annotated[int, 5] = 0
    terminating_replicas: Annotated[int | None, 9] = None
    conditions: Annotated[list[DeploymentCondition], 6, merge_by("type")] = []
    collision_count: Annotated[int | None, 8] = None


class Deployment(ApiObject):
    API_VERSION, KIND = "apps/v1", "Deployment"

    spec: Annotated[DeploymentSpec, 2] = always(DeploymentSpec)
    status: Annotated[DeploymentStatus, 3] = always(DeploymentStatus)


class ReplicaSetSpec(ApiStruct):
    replicas: Annotated[int | None, 1] = None
    min_ready_seconds: Annotated[int, 4] = 0
    selector: Annotated[LabelSelector | None, 2] = None
    template: Annotated[PodTemplateSpec, 3] = always(PodTemplateSpec)


class ReplicaSetCondition(ApiStruct):
    type: Annotated[str, 1] = always(str)
    status: Annotated[str, 2] = always(str)
    last_transition_time: Annotated[Time, 3] = Time("")
    reason: Annotated[str, 4] = ""
    message: Annotated[str, 5] = ""


class ReplicaSetStatus(ApiStruct):
    replicas: Annotated[int, 1] = always(int)
    fully_labeled_replicas: Annotated[int, 2] = 0
    ready_replicas: Annotated[int, 4] = 0
    available_replicas: Annotated[int, 5] = 0
    terminating_replicas: Annotated[int | None, 7] = None
    observed_generation: Annotated[int, 3] = 0
    conditions: Annotated[list[ReplicaSetCondition], 6, merge_by("type")] = []


class ReplicaSet(ApiObject):
    API_VERSION, KIND = "apps/v1", "ReplicaSet"

    spec: Annotated[ReplicaSetSpec, 2] = always(ReplicaSetSpec)
    status: Annotated[ReplicaSetStatus, 3] = always(ReplicaSetStatus)
