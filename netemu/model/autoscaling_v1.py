"""autoscaling/v1: Scale, the subresource by which anything is scaled."""

from typing import Annotated

from netemu.model.schema import ApiObject
from netemu.model.wire import ApiStruct, always


class ScaleSpec(ApiStruct):
    replicas: Annotated[int, 1] = 0


class ScaleStatus(ApiStruct):
    replicas: Annotated[int, 1] = always(int)
    selector: Annotated[str, 2] = ""


class Scale(ApiObject):
    API_VERSION, KIND = "autoscaling/v1", "Scale"

    spec: Annotated[ScaleSpec, 2] = always(ScaleSpec)
    status: Annotated[ScaleStatus, 3] = always(ScaleStatus)
