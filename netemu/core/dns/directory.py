"""What the cluster's DNS knows: Services, their endpoints and the namespaces, as names.

A `Directory` is kept up to date entry by entry: one changed Service costs the
describing of that Service, however many there are. Schema 1.1.0 of the DNS
specification (control-plane-and-node.md, 5).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address

from netemu.model.core_v1 import Service
from netemu.model.discovery_v1 import Endpoint, EndpointSlice
from netemu.model.keys import ObjectKey

Address = IPv4Address | IPv6Address


@dataclass(frozen=True, slots=True)
class PortRecord:
    """A port as SRV records see it."""

    name: str
    protocol: str
    number: int


@dataclass(frozen=True, slots=True)
class EndpointRecord:
    """One address behind a Service and the label under which it is found."""

    label: str
    address: Address
    ports: tuple[PortRecord, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceRecord:
    """One Service as DNS sees it."""

    key: ObjectKey
    cluster_ips: tuple[Address, ...] = ()
    """Empty for headless Services and for ExternalName."""
    external_name: str = ""
    ports: tuple[PortRecord, ...] = ()
    endpoints: tuple[EndpointRecord, ...] = ()

    @property
    def headless(self) -> bool:
        return not self.cluster_ips and not self.external_name


@dataclass(slots=True)
class Directory:
    """All names of one cluster domain."""

    domain: str = "cluster.local"
    services: dict[ObjectKey, ServiceRecord] = field(default_factory=dict)
    namespaces: set[str] = field(default_factory=set)
    reverse: dict[Address, dict[str, None]] = field(default_factory=dict)
    """Names below `svc.DOMAIN` that each address has: an ordered set."""

    def put(self, record: ServiceRecord) -> None:
        """Add or replace one Service."""
        self.drop(record.key)
        self.services[record.key] = record
        for address, name in _reverse_names(record):
            self.reverse.setdefault(address, {})[name] = None

    def drop(self, key: ObjectKey) -> None:
        """Forget one Service; unknown is success."""
        old = self.services.pop(key, None)
        if old is None:
            return
        for address, name in _reverse_names(old):
            names = self.reverse.get(address, {})
            names.pop(name, None)
            if not names:
                self.reverse.pop(address, None)


def describe(service: Service, slices: Iterable[EndpointSlice]) -> ServiceRecord:
    """Return a Service with the ready endpoints of its slices as DNS records."""
    spec = service.spec
    key = ObjectKey(service.metadata.namespace, service.metadata.name)
    if spec.type == "ExternalName":
        return ServiceRecord(key=key, external_name=_usable_name(spec.external_name))
    addresses = spec.cluster_ips or ([spec.cluster_ip] if spec.cluster_ip else [])
    return ServiceRecord(
        key=key,
        cluster_ips=tuple(ip_address(text) for text in addresses if text != "None"),
        ports=tuple(PortRecord(p.name, p.protocol.lower(), p.port) for p in spec.ports),
        endpoints=tuple(sorted(_endpoints(slices), key=lambda e: (e.label, str(e.address)))),
    )


def _usable_name(name: str) -> str:
    """An ExternalName that looks like an address, or cannot be one, is ignored."""
    bare = name.rstrip(".")
    if not all(0 < len(label) <= 63 for label in bare.split(".")):
        return ""
    try:
        ip_address(name)
    except ValueError:
        return bare
    return ""


def _endpoints(slices: Iterable[EndpointSlice]) -> Iterable[EndpointRecord]:
    for piece in slices:
        ports = tuple(
            PortRecord(port.name or "", (port.protocol or "TCP").lower(), port.port)
            for port in piece.ports
            if port.port
        )
        for endpoint in piece.endpoints:
            if endpoint.conditions.ready is False or piece.address_type == "FQDN":
                continue
            for text in endpoint.addresses:
                yield EndpointRecord(_label(endpoint, text), ip_address(text), ports)


def _label(endpoint: Endpoint, address: str) -> str:
    """The endpoint's own hostname, else its address with dashes."""
    if endpoint.hostname:
        return endpoint.hostname.lower()
    if ":" not in address:
        return address.replace(".", "-")
    dashed = address.replace(":", "-")
    return f"{dashed}0" if dashed.endswith("-") else dashed


def _reverse_names(record: ServiceRecord) -> Iterable[tuple[Address, str]]:
    service = f"{record.key.name}.{record.key.namespace}"
    for address in record.cluster_ips:
        yield address, service
    for endpoint in record.endpoints:
        yield endpoint.address, f"{endpoint.label}.{service}"
