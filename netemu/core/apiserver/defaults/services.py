"""Services: what a few lines of YAML mean in full."""

from __future__ import annotations

from netemu.model.core_v1 import ClientIPConfig, Service, ServiceSpec, SessionAffinityConfig

AFFINITY_TIMEOUT_S = 10800
_EXTERNALLY_ACCESSIBLE = ("NodePort", "LoadBalancer")


def default_service(service: Service) -> None:
    spec = service.spec
    spec.type = spec.type or "ClusterIP"
    spec.session_affinity = spec.session_affinity or "None"
    for port in spec.ports:
        port.protocol = port.protocol or "TCP"
        port.target_port = port.target_port or port.port
    if spec.session_affinity == "ClientIP":
        _default_affinity(spec)
    if spec.type in _EXTERNALLY_ACCESSIBLE or spec.external_ips:
        spec.external_traffic_policy = spec.external_traffic_policy or "Cluster"
    if spec.type == "LoadBalancer" and spec.allocate_load_balancer_node_ports is None:
        spec.allocate_load_balancer_node_ports = True
    if spec.type != "ExternalName":
        if spec.internal_traffic_policy is None:
            spec.internal_traffic_policy = "Cluster"
        _default_families(spec)


def _default_affinity(spec: ServiceSpec) -> None:
    if spec.session_affinity_config is None:
        spec.session_affinity_config = SessionAffinityConfig()
    config = spec.session_affinity_config
    if config.client_ip is None:
        config.client_ip = ClientIPConfig()
    if config.client_ip.timeout_seconds is None:
        config.client_ip.timeout_seconds = AFFINITY_TIMEOUT_S


def _default_families(spec: ServiceSpec) -> None:
    headless = spec.cluster_ip == "None" or "None" in spec.cluster_ips
    if headless and not spec.selector and not spec.ip_family_policy and not spec.ip_families:
        # Whoever writes such a Service's endpoints may write both families.
        spec.ip_family_policy = "RequireDualStack"
        spec.ip_families = ["IPv4", "IPv6"]
    spec.ip_family_policy = spec.ip_family_policy or "SingleStack"
    spec.ip_families = spec.ip_families or ["IPv4"]
