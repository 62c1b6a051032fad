"""discovery.k8s.io/v1: EndpointSlices, the backends of a Service in portions."""

from typing import Annotated

from netemu.model.core_v1.references import ObjectReference
from netemu.model.schema import ApiObject
from netemu.model.wire import ApiStruct, always, always_list


class EndpointConditions(ApiStruct):
    ready: Annotated[bool | None, 1] = None
    serving: Annotated[bool | None, 2] = None
    terminating: Annotated[bool | None, 3] = None


class ForZone(ApiStruct):
    name: Annotated[str, 1] = always(str)


class ForNode(ApiStruct):
    name: Annotated[str, 1] = always(str)


class EndpointHints(ApiStruct):
    for_zones: Annotated[list[ForZone], 1] = []
    for_nodes: Annotated[list[ForNode], 2] = []


class Endpoint(ApiStruct):
    addresses: Annotated[list[str], 1] = always_list()
    conditions: Annotated[EndpointConditions, 2] = always(EndpointConditions)
    hostname: Annotated[str | None, 3] = None
    target_ref: Annotated[ObjectReference | None, 4] = None
    deprecated_topology: Annotated[dict[str, str], 5] = {}
    node_name: Annotated[str | None, 6] = None
    zone: Annotated[str | None, 7] = None
    hints: Annotated[EndpointHints | None, 8] = None


class EndpointPort(ApiStruct):
    name: Annotated[str | None, 1] = None
    protocol: Annotated[str | None, 2] = None
    port: Annotated[int | None, 3] = None
    app_protocol: Annotated[str | None, 4] = None


class EndpointSlice(ApiObject):
    API_VERSION, KIND = "discovery.k8s.io/v1", "EndpointSlice"

    address_type: Annotated[str, 4] = always(str)
    endpoints: Annotated[list[Endpoint], 2] = always_list()
    ports: Annotated[list[EndpointPort], 3] = always_list()
