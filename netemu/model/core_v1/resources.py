"""core/v1: what is asked for and what is allowed at most."""

from typing import Annotated

from netemu.model.wire import ApiStruct, ResourceList, always


class ResourceClaim(ApiStruct):
    name: Annotated[str, 1] = always(str)
    request: Annotated[str, 2] = ""


class ResourceRequirements(ApiStruct):
    limits: Annotated[ResourceList, 1] = {}
    requests: Annotated[ResourceList, 2] = {}
    claims: Annotated[list[ResourceClaim], 3] = []


class VolumeResourceRequirements(ApiStruct):
    limits: Annotated[ResourceList, 1] = {}
    requests: Annotated[ResourceList, 2] = {}
