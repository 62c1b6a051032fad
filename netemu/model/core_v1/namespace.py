"""core/v1: namespaces."""

from typing import Annotated

from netemu.model.schema import ApiObject
from netemu.model.wire import ApiStruct, Time, always, merge_by


class NamespaceSpec(ApiStruct):
    finalizers: Annotated[list[str], 1] = []


class NamespaceCondition(ApiStruct):
    type: Annotated[str, 1] = always(str)
    status: Annotated[str, 2] = always(str)
    last_transition_time: Annotated[Time, 4] = Time("")
    reason: Annotated[str, 5] = ""
    message: Annotated[str, 6] = ""


class NamespaceStatus(ApiStruct):
    phase: Annotated[str, 1] = ""
    conditions: Annotated[list[NamespaceCondition], 2, merge_by("type")] = []


class Namespace(ApiObject):
    API_VERSION, KIND = "v1", "Namespace"

    spec: Annotated[NamespaceSpec, 2] = always(NamespaceSpec)
    status: Annotated[NamespaceStatus, 3] = always(NamespaceStatus)
