"""Environment variables that name Services, as Docker links once did (kube-proxy.md, 5).

A snapshot of the Services there are when the container starts; a Service that comes
later is found through DNS only.
"""

from __future__ import annotations

from collections.abc import Iterable

from netemu.model.core_v1 import Service

_MASTER_NAMESPACE = "default"
_MASTER_NAME = "kubernetes"


def service_variables(
    services: Iterable[Service], *, namespace: str, links: bool
) -> dict[str, str]:
    """Return the variables of every Service that a Pod of `namespace` sees.

    `default/kubernetes` is always there; with `links`, all of the Pod's own namespace
    are, and one of them that is called `kubernetes` takes its place.
    """
    seen: dict[str, Service] = {}
    for service in services:
        name, where = service.metadata.name, service.metadata.namespace
        if not _has_address(service):
            continue
        if links and where == namespace:
            seen[name] = service
        elif where == _MASTER_NAMESPACE and name == _MASTER_NAME:
            seen.setdefault(name, service)
    variables: dict[str, str] = {}
    for name in sorted(seen):
        variables.update(_variables_of(seen[name]))
    return variables


def _has_address(service: Service) -> bool:
    return service.spec.type != "ExternalName" and service.spec.cluster_ip not in ("", "None")


def _variables_of(service: Service) -> dict[str, str]:
    prefix = _variable_name(service.metadata.name)
    address = service.spec.cluster_ip
    variables = {f"{prefix}_SERVICE_HOST": address}
    for index, port in enumerate(service.spec.ports):
        if index == 0:
            variables[f"{prefix}_SERVICE_PORT"] = str(port.port)
        if port.name:
            variables[f"{prefix}_SERVICE_PORT_{_variable_name(port.name)}"] = str(port.port)
    for index, port in enumerate(service.spec.ports):
        protocol = port.protocol or "TCP"
        url = f"{protocol.lower()}://{_bracketed(address)}:{port.port}"
        if index == 0:
            variables[f"{prefix}_PORT"] = url
        link = f"{prefix}_PORT_{port.port}_{protocol.upper()}"
        variables[link] = url
        variables[f"{link}_PROTO"] = protocol.lower()
        variables[f"{link}_PORT"] = str(port.port)
        variables[f"{link}_ADDR"] = address
    return variables


def _variable_name(name: str) -> str:
    return name.upper().replace("-", "_")


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address
