"""The fields of a Service that depend on its type, when the Service changes.

Clients send back old manifests that say nothing of what was allocated: that is kept.
And they change the type of a Service without clearing what only the old type had:
that is dropped, unless they changed it too (kube-proxy.md, 7).
"""

from __future__ import annotations

from netemu.core.apiserver.allocation import needs_health_check_port
from netemu.model.core_v1 import Service, ServiceSpec

_NODE_PORT_TYPES = ("NodePort", "LoadBalancer")


def carry_over(new: Service, old: Service) -> None:
    """Complete `new`, which is to replace `old`, before it is validated."""
    _align_cluster_ips(new.spec, old.spec)
    _keep_allocated(new, old)
    _drop_dependent(new, old)


def align_cluster_ips(spec: ServiceSpec) -> None:
    """Let `clusterIPs` say what a new Service's `clusterIP` says."""
    if spec.cluster_ip and not spec.cluster_ips:
        spec.cluster_ips = [spec.cluster_ip]
    elif spec.cluster_ips and not spec.cluster_ip:
        spec.cluster_ip = spec.cluster_ips[0]


def _align_cluster_ips(new: ServiceSpec, old: ServiceSpec) -> None:
    """Whichever of the two was changed is what the client means."""
    if new.cluster_ips == old.cluster_ips and new.cluster_ip != old.cluster_ip:
        new.cluster_ips = [new.cluster_ip] if new.cluster_ip else []
    elif new.cluster_ip == old.cluster_ip and new.cluster_ips != old.cluster_ips:
        new.cluster_ip = new.cluster_ips[0] if new.cluster_ips else new.cluster_ip
    align_cluster_ips(new)


def _keep_allocated(new: Service, old: Service) -> None:
    if _has_cluster_ip(new.spec) and _has_cluster_ip(old.spec) and not new.spec.cluster_ip:
        new.spec.cluster_ip = old.spec.cluster_ip
        new.spec.cluster_ips = list(old.spec.cluster_ips)
    if _has_node_ports(new.spec) and _has_node_ports(old.spec):
        _keep_node_ports(new.spec, old.spec)
    if needs_health_check_port(new) and needs_health_check_port(old):
        new.spec.health_check_node_port = (
            new.spec.health_check_node_port or old.spec.health_check_node_port
        )


def _keep_node_ports(new: ServiceSpec, old: ServiceSpec) -> None:
    held = {(p.protocol, p.port): p.node_port for p in old.ports}
    used = {(p.protocol, p.node_port) for p in new.ports if p.node_port}
    for port in new.ports:
        before = held.get((port.protocol, port.port), 0)
        if not port.node_port and (port.protocol, before) not in used:
            port.node_port = before


def _drop_dependent(new: Service, old: Service) -> None:
    now, before = new.spec, old.spec
    if _has_node_ports(before) and not _has_node_ports(now):
        if sorted(_node_ports(now)) == sorted(_node_ports(before)):
            for port in now.ports:
                port.node_port = 0
        if now.external_traffic_policy == before.external_traffic_policy and not now.external_ips:
            now.external_traffic_policy = ""
    if _has_cluster_ip(before) and not _has_cluster_ip(now):
        _drop_addresses(now, before)
    loses_health_check = needs_health_check_port(old) and not needs_health_check_port(new)
    if loses_health_check and now.health_check_node_port == before.health_check_node_port:
        now.health_check_node_port = 0
    if before.type == "LoadBalancer" and now.type != "LoadBalancer":
        _drop_load_balancer(now, before)
    gains_address = before.type == "ExternalName" != now.type
    if gains_address and now.external_name == before.external_name:
        now.external_name = ""


def _drop_addresses(now: ServiceSpec, before: ServiceSpec) -> None:
    if now.cluster_ip == before.cluster_ip and now.cluster_ips == before.cluster_ips:
        now.cluster_ip, now.cluster_ips = "", []
    if now.ip_families == before.ip_families:
        now.ip_families = []
    if now.ip_family_policy == before.ip_family_policy:
        now.ip_family_policy = None
    if now.internal_traffic_policy == before.internal_traffic_policy:
        now.internal_traffic_policy = None


def _drop_load_balancer(now: ServiceSpec, before: ServiceSpec) -> None:
    if now.allocate_load_balancer_node_ports == before.allocate_load_balancer_node_ports:
        now.allocate_load_balancer_node_ports = None
    if now.load_balancer_class == before.load_balancer_class:
        now.load_balancer_class = None


def _has_cluster_ip(spec: ServiceSpec) -> bool:
    return spec.type != "ExternalName"


def _has_node_ports(spec: ServiceSpec) -> bool:
    return spec.type in _NODE_PORT_TYPES


def _node_ports(spec: ServiceSpec) -> list[int]:
    return [port.node_port for port in spec.ports if port.node_port]
