"""One port of one Service in one address family: the unit every proxy mode works on."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

from netemu.model.core_v1 import Service
from netemu.model.keys import ObjectKey, key_of

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

PROXY_NAME_LABEL = "service.kubernetes.io/service-proxy-name"
HEADLESS_LABEL = "service.kubernetes.io/headless"
SERVICE_SELECTOR = f"!{PROXY_NAME_LABEL}"
SLICE_SELECTOR = f"!{PROXY_NAME_LABEL},!{HEADLESS_LABEL}"

_DEFAULT_AFFINITY_S = 10800


class Family(StrEnum):
    """The two worlds of addresses; each has a proxy of its own."""

    IPV4 = "IPv4"
    IPV6 = "IPv6"

    @property
    def version(self) -> int:
        return 4 if self is Family.IPV4 else 6


@dataclass(frozen=True, slots=True, kw_only=True)
class ServicePort:
    """What a Service asks for at one of its ports."""

    service: ObjectKey
    name: str
    """The port's name; empty for the only port of a Service."""
    protocol: str
    """`tcp`, `udp` or `sctp`."""
    family: Family = Family.IPV4
    cluster_ip: Address
    port: int
    node_port: int = 0
    external_ips: tuple[Address, ...] = ()
    load_balancer_ips: tuple[Address, ...] = ()
    """Those that a node must accept itself: `ipMode: VIP`."""
    source_ranges: tuple[Network, ...] = ()
    internal_local: bool = False
    """`internalTrafficPolicy: Local`: rather no answer than leave the node."""
    external_local: bool = False
    """`externalTrafficPolicy: Local`: keep the client's address, and the node."""
    affinity_timeout_s: int = 0
    """`sessionAffinity: ClientIP`; 0 is none."""
    health_check_node_port: int = 0

    @property
    def label(self) -> str:
        """`ns/svc:port`, the name in every comment and hash."""
        return f"{self.service}:{self.name}" if self.name else str(self.service)

    @property
    def externally_accessible(self) -> bool:
        return bool(self.node_port or self.load_balancer_ips or self.external_ips)

    @property
    def uses_cluster(self) -> bool:
        """Does any packet go to endpoints of all nodes?

        Pods and the node itself short-circuit to all of them, also when the external policy
        is Local.
        """
        return not self.internal_local or self.externally_accessible

    @property
    def uses_local(self) -> bool:
        return self.internal_local or (self.external_local and self.externally_accessible)


def service_ports(service: Service, family: Family = Family.IPV4) -> Iterator[ServicePort]:
    """Yield what of a Service is proxied in a family; nothing if it is headless or a CNAME."""
    spec = service.spec
    cluster_ip = _cluster_ip(service, family)
    if cluster_ip is None or spec.type == "ExternalName":
        return
    external_ips = tuple(_addresses(spec.external_ips, family))
    load_balancer_ips = tuple(_addresses(_virtual_ips(service), family))
    source_ranges = tuple(_networks(spec.load_balancer_source_ranges, family))
    for port in spec.ports:
        yield ServicePort(
            service=key_of(service),
            name=port.name,
            protocol=(port.protocol or "TCP").lower(),
            family=family,
            cluster_ip=cluster_ip,
            port=port.port,
            node_port=port.node_port,
            external_ips=external_ips,
            load_balancer_ips=load_balancer_ips,
            source_ranges=source_ranges if load_balancer_ips else (),
            internal_local=spec.internal_traffic_policy == "Local",
            external_local=spec.external_traffic_policy == "Local",
            affinity_timeout_s=_affinity_timeout_s(service),
            health_check_node_port=spec.health_check_node_port,
        )


def is_proxied(service: Service) -> bool:
    """Does this proxy care for it? Another one may have been named by a label."""
    return PROXY_NAME_LABEL not in service.metadata.labels


def _cluster_ip(service: Service, family: Family) -> Address | None:
    spec = service.spec
    if spec.cluster_ip in ("", "None"):
        return None
    return next(_addresses(spec.cluster_ips or [spec.cluster_ip], family), None)


def _virtual_ips(service: Service) -> Iterator[str]:
    for ingress in service.status.load_balancer.ingress:
        if ingress.ip and (ingress.ip_mode or "VIP") == "VIP":
            yield ingress.ip


def _affinity_timeout_s(service: Service) -> int:
    if service.spec.session_affinity != "ClientIP":
        return 0
    config = service.spec.session_affinity_config
    if config is None or config.client_ip is None:
        return _DEFAULT_AFFINITY_S
    return config.client_ip.timeout_seconds or _DEFAULT_AFFINITY_S


def _addresses(texts: Iterable[str], family: Family) -> Iterator[Address]:
    for text in texts:
        # The API refuses nonsense; if some gets here, it must not stop the other Services.
        with contextlib.suppress(ValueError):
            address = ip_address(text)
            if address.version == family.version:
                yield address


def _networks(texts: Iterable[str], family: Family) -> Iterator[Network]:
    for text in texts:
        with contextlib.suppress(ValueError):
            network = ip_network(text.strip(), strict=False)
            if network.version == family.version:
                yield network
