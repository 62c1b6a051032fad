"""Which Pods stand behind a Service, and what of a Pod its endpoints show."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address

from netemu.core.control.contract import Reader
from netemu.core.control.pods import TERMINAL_PHASES, is_ready
from netemu.model.core_v1 import Container, Node, ObjectReference, Pod, Service, ServicePort
from netemu.model.keys import ObjectKey

ZONE_LABEL = "topology.kubernetes.io/zone"
HEADLESS_LABEL = "service.kubernetes.io/headless"
_VERSIONS = {"IPv4": 4, "IPv6": 6}


def has_endpoints(service: Service) -> bool:
    """Its endpoints are the control plane's business: it has a selector."""
    return bool(service.spec.selector) and service.spec.type != "ExternalName"


def selects(service: Service, pod: Pod) -> bool:
    return has_endpoints(service) and (service.spec.selector.items() <= pod.metadata.labels.items())


def pods_of(service: Service, reader: Reader) -> list[Pod]:
    """The Service's Pods that have an address and have not ended, by name."""
    pods = [
        pod
        for pod in reader.all(Pod, service.metadata.namespace)
        if selects(service, pod) and pod.status.pod_ip and pod.status.phase not in TERMINAL_PHASES
    ]
    return sorted(pods, key=lambda pod: pod.metadata.name)


def keys_of_pod(pod: Pod, reader: Reader) -> list[ObjectKey]:
    namespace = pod.metadata.namespace
    return [
        ObjectKey(namespace, service.metadata.name)
        for service in reader.all(Service, namespace)
        if selects(service, pod)
    ]


def pod_matters(old: Pod, new: Pod) -> bool:
    """Whether endpoints could look different."""
    return (
        old.status.pod_ip != new.status.pod_ip
        or is_ready(old) != is_ready(new)
        or old.status.phase != new.status.phase
        or old.metadata.labels != new.metadata.labels
        or old.metadata.deletion_timestamp != new.metadata.deletion_timestamp
        or old.status.pod_ips != new.status.pod_ips
    )


def families_of(service: Service) -> Sequence[str]:
    return service.spec.ip_families or ["IPv4"]


def addresses_of(pod: Pod, family: str) -> list[str]:
    addresses = [entry.ip for entry in pod.status.pod_ips] or [pod.status.pod_ip]
    version = _VERSIONS.get(family)
    return [address for address in addresses if version_of(address) == version]


def version_of(address: str) -> int:
    """4 or 6; 0 if it is no address: one bad Pod must not stop a controller for all others."""
    try:
        return ip_address(address).version
    except ValueError:
        return 0


def is_headless(service: Service) -> bool:
    return service.spec.cluster_ip == "None"


def zone_of(node_name: str, reader: Reader) -> str:
    node = reader.get(Node, ObjectKey("", node_name)) if node_name else None
    return node.metadata.labels.get(ZONE_LABEL, "") if node else ""


def hostname_of(pod: Pod, service: Service) -> str:
    """Only a Pod whose subdomain is this Service has a name below it."""
    return pod.spec.hostname if pod.spec.subdomain == service.metadata.name else ""


def reference_to(pod: Pod) -> ObjectReference:
    meta = pod.metadata
    return ObjectReference(kind="Pod", namespace=meta.namespace, name=meta.name, uid=meta.uid)


def port_of(pod: Pod, port: ServicePort) -> int | None:
    """The number that the Pod serves a Service port on; None if its named port is missing."""
    target = port.target_port or port.port
    if isinstance(target, int):
        return target
    for container in _containers(pod):
        for declared in container.ports:
            if declared.name == target and (declared.protocol or "TCP") == (port.protocol or "TCP"):
                return declared.container_port
    return None


def _containers(pod: Pod) -> list[Container]:
    sidecars = (c for c in pod.spec.init_containers if c.restart_policy == "Always")
    return [*pod.spec.containers, *sidecars]
