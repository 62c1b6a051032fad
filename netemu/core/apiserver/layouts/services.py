"""Services: where a client inside reaches them, and where one outside does."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from netemu.core.apiserver.layouts._columns import (
    AGE,
    NAME,
    NONE,
    Column,
    Layout,
    age_cell,
    selector_cell,
    wide,
)
from netemu.model.core_v1 import Service, ServicePort

_COLUMNS = (
    NAME,
    Column("Type", description="How the Service is exposed."),
    Column("Cluster-IP", description="Its address inside the cluster."),
    Column("External-IP", description="Its addresses outside of the cluster."),
    Column("Port(s)", description="Its ports, with node ports after the colon."),
    AGE,
    wide("Selector"),
)


def _cells(service: Service, now: datetime) -> list[Any]:
    spec = service.spec
    return [
        service.metadata.name,
        spec.type,
        spec.cluster_ip or NONE,
        _external(service),
        ",".join(_port(port) for port in spec.ports) or NONE,
        age_cell(service, now),
        selector_cell(spec.selector),
    ]


def _external(service: Service) -> str:
    spec = service.spec
    match spec.type:
        case "ExternalName":
            return spec.external_name or NONE
        case "LoadBalancer":
            given = [
                ingress.ip or ingress.hostname for ingress in service.status.load_balancer.ingress
            ]
            return ",".join([*given, *spec.external_ips]) or "<pending>"
    return ",".join(spec.external_ips) or NONE


def _port(port: ServicePort) -> str:
    node_port = f":{port.node_port}" if port.node_port else ""
    return f"{port.port}{node_port}/{port.protocol}"


LAYOUT = Layout(_COLUMNS, _cells)
