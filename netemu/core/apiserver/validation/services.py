"""Services: what type, addresses, ports and policies may be combined.

Whether an address or a node port is free and in range, the allocator says (kube-proxy.md, 7).
"""

from __future__ import annotations

from netemu.core.apiserver.field_errors import (
    FieldError,
    bad_value,
    duplicate,
    forbidden,
    required,
    unsupported,
)
from netemu.core.apiserver.validation import formats
from netemu.core.apiserver.validation.metadata import validate_labels
from netemu.core.apiserver.validation.probes import validate_port
from netemu.model.codec import to_dict
from netemu.model.core_v1 import Service, ServicePort, ServiceSpec

_TYPES = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
_PROTOCOLS = ("SCTP", "TCP", "UDP")
_AFFINITIES = ("ClientIP", "None")
_POLICIES = ("Cluster", "Local")
_FAMILY_POLICIES = ("PreferDualStack", "RequireDualStack", "SingleStack")
_EXTERNAL = ("NodePort", "LoadBalancer")
_AFFINITY_MAX_S = 86400


def validate_service(service: Service) -> list[FieldError]:
    spec = service.spec
    errors: list[FieldError] = []
    if spec.type not in _TYPES:
        errors.append(unsupported("spec.type", spec.type, _TYPES))
    headless = spec.cluster_ip == "None"
    if not spec.ports and not headless and spec.type != "ExternalName":
        errors.append(required("spec.ports"))
    errors += _validate_ports(spec)
    errors += _validate_type(spec)
    errors += validate_labels(spec.selector, "spec.selector")
    errors += _validate_affinity(spec)
    errors += _validate_cluster_ips(spec)
    errors += _validate_external_ips(spec)
    errors += _validate_policies(spec)
    return errors + _validate_load_balancer(spec)


def _validate_ports(spec: ServiceSpec) -> list[FieldError]:
    errors: list[FieldError] = []
    names: set[str] = set()
    for index, port in enumerate(spec.ports):
        at = f"spec.ports[{index}]"
        if not port.name:
            if len(spec.ports) > 1:
                errors.append(required(f"{at}.name"))
        else:
            problems = formats.dns_label(port.name)
            errors += [bad_value(f"{at}.name", port.name, text) for text in problems]
            if port.name in names:
                errors.append(duplicate(f"{at}.name", port.name))
            names.add(port.name)
        errors += _validate_port(port, at, spec)
    return errors + _validate_unique(spec)


def _validate_port(port: ServicePort, at: str, spec: ServiceSpec) -> list[FieldError]:
    problems = formats.port_number(port.port)
    errors = [bad_value(f"{at}.port", port.port, text) for text in problems]
    if not port.protocol:
        errors.append(required(f"{at}.protocol"))
    elif port.protocol not in _PROTOCOLS:
        errors.append(unsupported(f"{at}.protocol", port.protocol, _PROTOCOLS))
    if port.target_port != port.port:
        errors += validate_port(port.target_port, f"{at}.targetPort")
    if port.node_port and spec.type not in _EXTERNAL:
        detail = f"may not be used when `type` is '{spec.type}'"
        errors.append(forbidden(f"{at}.nodePort", detail))
    return errors


def _validate_unique(spec: ServiceSpec) -> list[FieldError]:
    errors: list[FieldError] = []
    ports: set[tuple[str, int]] = set()
    node_ports: set[tuple[str, int]] = set()
    for index, port in enumerate(spec.ports):
        at = f"spec.ports[{index}]"
        if (port.protocol, port.port) in ports:
            errors.append(duplicate(at, to_dict(port)))
        ports.add((port.protocol, port.port))
        if port.node_port and (port.protocol, port.node_port) in node_ports:
            errors.append(duplicate(f"{at}.nodePort", port.node_port))
        node_ports.add((port.protocol, port.node_port))
    return errors


def _validate_type(spec: ServiceSpec) -> list[FieldError]:
    errors: list[FieldError] = []
    if spec.type == "ExternalName":
        if not spec.external_name:
            errors.append(required("spec.externalName"))
        else:
            # A CNAME's target may be written with its root.
            problems = formats.dns_subdomain(spec.external_name.removesuffix("."))
            errors += [bad_value("spec.externalName", spec.external_name, p) for p in problems]
        if spec.cluster_ips or spec.cluster_ip:
            errors.append(forbidden("spec.clusterIPs", "may not be set for ExternalName services"))
        for field, value in (
            ("spec.ipFamilies", spec.ip_families),
            ("spec.ipFamilyPolicy", spec.ip_family_policy),
        ):
            if value:
                errors.append(forbidden(field, "may not be set for ExternalName services"))
    elif spec.type in _EXTERNAL and spec.cluster_ip == "None":
        detail = f"may not be set to 'None' for {spec.type} services"
        errors.append(bad_value("spec.clusterIPs[0]", "None", detail))
    return errors


def _validate_affinity(spec: ServiceSpec) -> list[FieldError]:
    if spec.session_affinity not in _AFFINITIES:
        return [unsupported("spec.sessionAffinity", spec.session_affinity, _AFFINITIES)]
    config = spec.session_affinity_config
    at = "spec.sessionAffinityConfig"
    if spec.session_affinity == "None":
        detail = "must not be set when session affinity is None"
        return [forbidden(at, detail)] if config is not None else []
    client = config.client_ip if config is not None else None
    if client is None or client.timeout_seconds is None:
        return []
    if not 0 < client.timeout_seconds <= _AFFINITY_MAX_S:
        detail = f"must be greater than 0 and less than {_AFFINITY_MAX_S}"
        return [bad_value(f"{at}.clientIP.timeoutSeconds", client.timeout_seconds, detail)]
    return []


def _validate_cluster_ips(spec: ServiceSpec) -> list[FieldError]:
    if spec.type == "ExternalName":
        return []
    errors: list[FieldError] = []
    ips = spec.cluster_ips
    if ips and spec.cluster_ip != ips[0]:
        detail = "first value must match `clusterIP`"
        errors.append(bad_value("spec.clusterIPs", ips, detail))
    for index, text in enumerate(ips):
        if text == "None" and index == 0 and len(ips) == 1:
            continue
        errors += [bad_value(f"spec.clusterIPs[{index}]", text, p) for p in formats.ip(text)]
    addresses = [address for text in ips if (address := formats.parse_ip(text)) is not None]
    if len({address.version for address in addresses}) < len(addresses):
        detail = "may specify no more than one IP for each IP family"
        errors.append(bad_value("spec.clusterIPs", ips, detail))
    return errors + _validate_families(spec)


def _validate_families(spec: ServiceSpec) -> list[FieldError]:
    policy = spec.ip_family_policy
    if policy and policy not in _FAMILY_POLICIES:
        return [unsupported("spec.ipFamilyPolicy", policy, _FAMILY_POLICIES)]
    if spec.cluster_ip == "None" and not spec.selector:
        return []  # Its endpoints are written by hand, in whatever family.
    errors: list[FieldError] = []
    if policy == "RequireDualStack":
        detail = "this cluster is not configured for dual-stack services"
        errors.append(bad_value("spec.ipFamilyPolicy", policy, detail))
    for index, family in enumerate(spec.ip_families):
        field = f"spec.ipFamilies[{index}]"
        if family not in ("IPv4", "IPv6"):
            errors.append(unsupported(field, family, ("IPv4", "IPv6")))
        elif family == "IPv6":
            errors.append(bad_value(field, family, "not configured on this cluster"))
    return errors


def _validate_external_ips(spec: ServiceSpec) -> list[FieldError]:
    return [
        bad_value(f"spec.externalIPs[{index}]", text, problem)
        for index, text in enumerate(spec.external_ips)
        for problem in formats.reachable_ip(text)
    ]


def _validate_policies(spec: ServiceSpec) -> list[FieldError]:
    errors: list[FieldError] = []
    policy = spec.external_traffic_policy
    reachable = spec.type in _EXTERNAL or bool(spec.external_ips)
    if policy and not reachable:
        detail = "may only be set for externally-accessible services"
        errors.append(bad_value("spec.externalTrafficPolicy", policy, detail))
    elif policy and policy not in _POLICIES:
        errors.append(unsupported("spec.externalTrafficPolicy", policy, _POLICIES))
    inner = spec.internal_traffic_policy
    if inner and inner not in _POLICIES:
        errors.append(unsupported("spec.internalTrafficPolicy", inner, _POLICIES))
    port = spec.health_check_node_port
    if port and not (spec.type == "LoadBalancer" and policy == "Local"):
        detail = (
            "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'"
        )
        errors.append(bad_value("spec.healthCheckNodePort", port, detail))
    return errors


def _validate_load_balancer(spec: ServiceSpec) -> list[FieldError]:
    errors: list[FieldError] = []
    detail = "may only be used when `type` is 'LoadBalancer'"
    if spec.load_balancer_source_ranges:
        # The capital letter is Kubernetes' own.
        field = "spec.LoadBalancerSourceRanges"
        if spec.type != "LoadBalancer":
            errors.append(forbidden(field, detail))
        for index, text in enumerate(spec.load_balancer_source_ranges):
            errors += [bad_value(f"{field}[{index}]", text, p) for p in formats.cidr(text)]
    if spec.type != "LoadBalancer":
        if spec.allocate_load_balancer_node_ports is not None:
            errors.append(forbidden("spec.allocateLoadBalancerNodePorts", detail))
        if spec.load_balancer_class is not None:
            errors.append(forbidden("spec.loadBalancerClass", detail))
    return errors


def validate_service_update(new: Service, old: Service) -> list[FieldError]:
    now, before = new.spec, old.spec
    errors: list[FieldError] = []
    if "ExternalName" not in (now.type, before.type):
        if before.cluster_ip and not now.cluster_ip:
            detail = "primary clusterIP can not be unset"
            errors.append(bad_value("spec.clusterIPs[0]", now.cluster_ips, detail))
        elif before.cluster_ip and now.cluster_ip != before.cluster_ip:
            detail = "may not change once set"
            errors.append(bad_value("spec.clusterIPs[0]", now.cluster_ips, detail))
        if before.ip_families and now.ip_families[:1] != before.ip_families[:1]:
            detail = "may not change once set"
            errors.append(bad_value("spec.ipFamilies[0]", now.ip_families, detail))
    stays_local = all(
        spec.type == "LoadBalancer" and spec.external_traffic_policy == "Local"
        for spec in (now, before)
    )
    if stays_local and now.health_check_node_port != before.health_check_node_port:
        errors.append(forbidden("spec.healthCheckNodePort", formats.IMMUTABLE))
    balances = now.type == before.type == "LoadBalancer"
    if balances and now.load_balancer_class != before.load_balancer_class:
        value = now.load_balancer_class
        errors.append(bad_value("spec.loadBalancerClass", value, "may not change once set"))
    return errors
