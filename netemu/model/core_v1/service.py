"""core/v1: Services, and Endpoints, their older list of backends."""

from typing import Annotated

from netemu.model.core_v1.references import ObjectReference
from netemu.model.meta_v1 import Condition
from netemu.model.schema import ApiObject
from netemu.model.wire import ApiStruct, IntOrString, always, merge_by


class ServicePort(ApiStruct):
    name: Annotated[str, 1] = ""
    protocol: Annotated[str, 2] = ""
    app_protocol: Annotated[str | None, 6] = None
    port: Annotated[int, 3] = always(int)
    target_port: Annotated[IntOrString, 4] = 0
    node_port: Annotated[int, 5] = 0


class ClientIPConfig(ApiStruct):
    timeout_seconds: Annotated[int | None, 1] = None


class SessionAffinityConfig(ApiStruct):
    client_ip: Annotated[ClientIPConfig | None, 1] = None


class ServiceSpec(ApiStruct):
    ports: Annotated[list[ServicePort], 1, merge_by("port")] = []
    selector: Annotated[dict[str, str], 2] = {}
    cluster_ip: Annotated[str, 3] = ""
    cluster_ips: Annotated[list[str], 18] = []
    type: Annotated[str, 4] = ""
    external_ips: Annotated[list[str], 5] = []
    session_affinity: Annotated[str, 7] = ""
    load_balancer_ip: Annotated[str, 8] = ""
    load_balancer_source_ranges: Annotated[list[str], 9] = []
    external_name: Annotated[str, 10] = ""
    external_traffic_policy: Annotated[str, 11] = ""
    health_check_node_port: Annotated[int, 12] = 0
    publish_not_ready_addresses: Annotated[bool, 13] = False
    session_affinity_config: Annotated[SessionAffinityConfig | None, 14] = None
    ip_families: Annotated[list[str], 19] = []
    ip_family_policy: Annotated[str | None, 17] = None
    allocate_load_balancer_node_ports: Annotated[bool | None, 20] = None
    load_balancer_class: Annotated[str | None, 21] = None
    internal_traffic_policy: Annotated[str | None, 22] = None
    traffic_distribution: Annotated[str | None, 23] = None


class PortStatus(ApiStruct):
    port: Annotated[int, 1] = always(int)
    protocol: Annotated[str, 2] = always(str)
    error: Annotated[str | None, 3] = None


class LoadBalancerIngress(ApiStruct):
    ip: Annotated[str, 1] = ""
    hostname: Annotated[str, 2] = ""
    ip_mode: Annotated[str | None, 3] = None
    ports: Annotated[list[PortStatus], 4] = []


class LoadBalancerStatus(ApiStruct):
    ingress: Annotated[list[LoadBalancerIngress], 1] = []


class ServiceStatus(ApiStruct):
    load_balancer: Annotated[LoadBalancerStatus, 1] = always(LoadBalancerStatus)
    conditions: Annotated[list[Condition], 2, merge_by("type")] = []


class Service(ApiObject):
    API_VERSION, KIND = "v1", "Service"

    spec: Annotated[ServiceSpec, 2] = always(ServiceSpec)
    status: Annotated[ServiceStatus, 3] = always(ServiceStatus)


class EndpointAddress(ApiStruct):
    ip: Annotated[str, 1] = always(str)
    hostname: Annotated[str, 3] = ""
    node_name: Annotated[str | None, 4] = None
    target_ref: Annotated[ObjectReference | None, 2] = None


class EndpointPort(ApiStruct):
    name: Annotated[str, 1] = ""
    port: Annotated[int, 2] = always(int)
    protocol: Annotated[str, 3] = ""
    app_protocol: Annotated[str | None, 4] = None


class EndpointSubset(ApiStruct):
    addresses: Annotated[list[EndpointAddress], 1] = []
    not_ready_addresses: Annotated[list[EndpointAddress], 2] = []
    ports: Annotated[list[EndpointPort], 3] = []


class Endpoints(ApiObject):
    API_VERSION, KIND = "v1", "Endpoints"

    subsets: Annotated[list[EndpointSubset], 2] = []
