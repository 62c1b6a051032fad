"""meta/v1: what all kinds share, and what the API server says and is told."""

from typing import Annotated

from netemu.model.wire import JSON_ONLY, MERGED, ApiStruct, FieldsV1, Kinded, Time, always, merge_by


class OwnerReference(ApiStruct):
    api_version: Annotated[str, 5] = always(str)
    kind: Annotated[str, 1] = always(str)
    name: Annotated[str, 3] = always(str)
    uid: Annotated[str, 4] = always(str)
    controller: Annotated[bool | None, 6] = None
    block_owner_deletion: Annotated[bool | None, 7] = None


class ManagedFieldsEntry(ApiStruct):
    manager: Annotated[str, 1] = ""
    operation: Annotated[str, 2] = ""
    api_version: Annotated[str, 3] = ""
    time: Annotated[Time | None, 4] = None
    fields_type: Annotated[str, 6] = ""
    fields_v1: Annotated[FieldsV1 | None, 7] = None
    subresource: Annotated[str, 8] = ""


class ObjectMeta(ApiStruct):
    name: Annotated[str, 1] = ""
    generate_name: Annotated[str, 2] = ""
    namespace: Annotated[str, 3] = ""
    self_link: Annotated[str, 4] = ""
    uid: Annotated[str, 5] = ""
    resource_version: Annotated[str, 6] = ""
    generation: Annotated[int, 7] = 0
    creation_timestamp: Annotated[Time, 8] = Time("")
    deletion_timestamp: Annotated[Time | None, 9] = None
    deletion_grace_period_seconds: Annotated[int | None, 10] = None
    labels: Annotated[dict[str, str], 11] = {}
    annotations: Annotated[dict[str, str], 12] = {}
    owner_references: Annotated[list[OwnerReference], 13, merge_by("uid")] = []
    finalizers: Annotated[list[str], 14, MERGED] = []
    managed_fields: Annotated[list[ManagedFieldsEntry], 17] = []


class LabelSelectorRequirement(ApiStruct):
    key: Annotated[str, 1] = always(str)
    operator: Annotated[str, 2] = always(str)
    values: Annotated[list[str], 3] = []


class LabelSelector(ApiStruct):
    match_labels: Annotated[dict[str, str], 1] = {}
    match_expressions: Annotated[list[LabelSelectorRequirement], 2] = []


class ShardInfo(ApiStruct):
    selector: Annotated[str, JSON_ONLY] = always(str)


class ListMeta(ApiStruct):
    self_link: Annotated[str, 1] = ""
    resource_version: Annotated[str, 2] = ""
    continue_: Annotated[str, 3] = ""
    remaining_item_count: Annotated[int | None, 4] = None
    shard_info: Annotated[ShardInfo | None, JSON_ONLY] = None


class StatusCause(ApiStruct):
    reason: Annotated[str, 1] = ""
    message: Annotated[str, 2] = ""
    field: Annotated[str, 3] = ""


class StatusDetails(ApiStruct):
    name: Annotated[str, 1] = ""
    group: Annotated[str, 2] = ""
    kind: Annotated[str, 3] = ""
    uid: Annotated[str, 6] = ""
    causes: Annotated[list[StatusCause], 4] = []
    retry_after_seconds: Annotated[int, 5] = 0


class Status(Kinded):
    API_VERSION, KIND = "v1", "Status"

    metadata: Annotated[ListMeta, 1] = always(ListMeta)
    status: Annotated[str, 2] = ""
    message: Annotated[str, 3] = ""
    reason: Annotated[str, 4] = ""
    details: Annotated[StatusDetails | None, 5] = None
    code: Annotated[int, 6] = 0


class Preconditions(ApiStruct):
    uid: Annotated[str | None, 1] = None
    resource_version: Annotated[str | None, 2] = None


class DeleteOptions(Kinded):
    API_VERSION, KIND = "v1", "DeleteOptions"

    grace_period_seconds: Annotated[int | None, 1] = None
    preconditions: Annotated[Preconditions | None, 2] = None
    orphan_dependents: Annotated[bool | None, 3] = None
    propagation_policy: Annotated[str | None, 4] = None
    dry_run: Annotated[list[str], 5] = []
    ignore_store_read_error_with_cluster_breaking_potential: Annotated[bool | None, 6] = None


class Condition(ApiStruct):
    type: Annotated[str, 1] = always(str)
    status: Annotated[str, 2] = always(str)
    observed_generation: Annotated[int, 3] = 0
    last_transition_time: Annotated[Time, 4] = Time("")
    reason: Annotated[str, 5] = always(str)
    message: Annotated[str, 6] = always(str)
