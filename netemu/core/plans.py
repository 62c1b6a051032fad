"""From what a person asked for to the settings that all parts agree on.

Everything that can be wrong with a cluster's description is said here, before
anything is made.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from pathlib import PurePosixPath

from netemu.core.node_network import choose_underlay
from netemu.core.node_plans import plan_nodes
from netemu.core.plan_checks import DNS_NAME, DOMAIN, Complain, between, one_of, parse_network
from netemu.errors import UserError
from netemu.model.cluster_v1alpha1 import Cluster, ClusterSpec, ImageRule
from netemu.model.duration import parse_duration
from netemu.model.settings import ClusterSettings, ImageSettings

NAME_MAX = 20

_SHORTEST_GRACE_S = 1
_LONGEST_GRACE_S = 3600
_LONGEST_TOLERATION_S = 7 * 24 * 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class HostFacts:
    """What the choice of addresses and flavours depends on."""

    networks_in_use: Collection[IPv4Network]
    """Of the host's addresses and routes, and of the other clusters."""
    iptables_flavour: str
    name_servers: tuple[str, ...]
    overlays: Collection[str]
    proxy_modes: Collection[str]


def plan_settings(
    cluster: Cluster,
    host: HostFacts,
    *,
    state_root: PurePosixPath,
    run_root: PurePosixPath,
    complain: Complain,
) -> ClusterSettings:
    """Return the settings of a new cluster; `complain`'s UserError for what cannot be."""
    spec = cluster.spec
    name = check_name(cluster.metadata.name, complain)
    pods = parse_network(spec.pod_cidr, "spec.podCIDR", complain, longest_prefix=22)
    services = parse_network(spec.service_cidr, "spec.serviceCIDR", complain, longest_prefix=24)
    if pods.overlaps(services) and spec.service_cidr == ClusterSpec().service_cidr:
        raise complain("spec.podCIDR", f"{pods} overlaps the Service range {services}")
    if pods.overlaps(services):
        raise complain("spec.serviceCIDR", f"{services} overlaps the Pod range {pods}")
    underlay = _underlay(spec, host, complain)
    _keep_apart(underlay, pods, services, chosen=bool(spec.underlay), complain=complain)
    if not DOMAIN.fullmatch(spec.domain):
        raise complain("spec.domain", f'"{spec.domain}" is not a DNS domain in lower case')
    return ClusterSettings(
        name=name,
        underlay=underlay,
        nodes=plan_nodes(spec, underlay, pods, complain),
        pod_cidr=pods,
        service_cidr=services,
        cluster_dns=_dns_address(spec, services, complain),
        domain=spec.domain,
        overlay=one_of(spec.overlay, host.overlays, "spec.overlay", complain),
        proxy_mode=one_of(spec.proxy_mode, host.proxy_modes, "spec.proxyMode", complain),
        iptables_flavour=_flavour(spec, host, complain),
        upstream_dns=host.name_servers if spec.dns.upstream else (),
        dns_replicas=between(spec.dns.replicas, 0, 20, "spec.dns.replicas", complain),
        images=_images(spec, complain),
        strict_images=spec.strict_images,
        node_grace_s=_grace_s(spec.node_monitor_grace_period, complain),
        toleration_s=between(
            spec.default_toleration_seconds,
            0,
            _LONGEST_TOLERATION_S,
            "spec.defaultTolerationSeconds",
            complain,
        ),
        state_dir=state_root / name,
        run_dir=run_root / name,
    )


def check_name(name: str, complain: Complain) -> str:
    """Return the cluster's name if it can be one; it becomes part of names on the host."""
    if not DNS_NAME.fullmatch(name) or len(name) > NAME_MAX:
        raise complain(
            "metadata.name",
            f'"{name}" cannot name a cluster: at most {NAME_MAX} lower-case letters, digits '
            "and hyphens, beginning and ending with a letter or digit",
        )
    return name


def _underlay(spec: ClusterSpec, host: HostFacts, complain: Complain) -> IPv4Network:
    if not spec.underlay:
        try:
            return choose_underlay(frozenset(host.networks_in_use))
        except UserError as error:
            raise complain("spec.underlay", error.message) from error
    wanted = parse_network(spec.underlay, "spec.underlay", complain, longest_prefix=24)
    if wanted.prefixlen != 24:
        raise complain("spec.underlay", f"{wanted} must be a /24")
    for network in host.networks_in_use:
        if network.overlaps(wanted):
            raise complain("spec.underlay", f"{wanted} overlaps {network}, which this host uses")
    return wanted


def _keep_apart(
    underlay: IPv4Network,
    pods: IPv4Network,
    services: IPv4Network,
    *,
    chosen: bool,
    complain: Complain,
) -> None:
    """Blame the underlay for an overlap if somebody chose it, else the other range."""
    for what, of, network in (("pod", "Pod", pods), ("service", "Service", services)):
        if network.overlaps(underlay) and chosen:
            raise complain("spec.underlay", f"{underlay} overlaps the {of} range {network}")
        if network.overlaps(underlay):
            raise complain(f"spec.{what}CIDR", f"{network} overlaps the underlay {underlay}")


def _dns_address(spec: ClusterSpec, services: IPv4Network, complain: Complain) -> IPv4Address:
    if not spec.cluster_dns:
        return services.network_address + 10
    try:
        address = IPv4Address(spec.cluster_dns)
    except ValueError as error:
        raise complain("spec.clusterDNS", f'"{spec.cluster_dns}" is not an IPv4 address') from error
    if address not in services or address == services.network_address + 1:
        raise complain(
            "spec.clusterDNS", f"{address} must be an address of {services} other than its first"
        )
    return address


def _flavour(spec: ClusterSpec, host: HostFacts, complain: Complain) -> str:
    if spec.iptables == "auto":
        return host.iptables_flavour
    return one_of(spec.iptables, ("nft", "legacy"), "spec.iptables", complain)


def _grace_s(text: str, complain: Complain) -> float:
    field = "spec.nodeMonitorGracePeriod"
    try:
        grace_s = parse_duration(text)
    except ValueError as error:
        raise complain(field, str(error)) from error
    if not _SHORTEST_GRACE_S <= grace_s <= _LONGEST_GRACE_S:
        raise complain(field, f"{text} is not between {_SHORTEST_GRACE_S} s and an hour")
    return grace_s


def _images(spec: ClusterSpec, complain: Complain) -> tuple[ImageSettings, ...]:
    return tuple(_image(pattern, rule, complain) for pattern, rule in spec.images.items())


def _image(pattern: str, rule: ImageRule, complain: Complain) -> ImageSettings:
    field = f"spec.images.{pattern}"
    given = [rule.stand_in, rule.agnhost, rule.command, rule.none or None]
    if sum(choice is not None for choice in given) != 1:
        raise complain(field, "give one of standIn, agnhost, command, none: true")
    for name, words in (("agnhost", rule.agnhost), ("command", rule.command)):
        if words == []:
            raise complain(field, f"{name} is empty: say what is to be run")
    ports = rule.stand_in
    return ImageSettings(
        pattern=pattern,
        stand_in=None if ports is None else tuple(_port(port, field, complain) for port in ports),
        agnhost=None if rule.agnhost is None else tuple(rule.agnhost),
        command=None if rule.command is None else tuple(rule.command),
    )


def _port(port: int | str, field: str, complain: Complain) -> str:
    number, _, protocol = str(port).partition("/")
    if not number.isdecimal() or not 0 < int(number) < 65536:
        raise complain(field, f'standIn: "{port}" is no port: write 8080 or 53/UDP')
    if (protocol or "TCP").upper() not in ("TCP", "UDP"):
        raise complain(field, f'standIn: "{port}": a protocol is TCP or UDP')
    return f"{number}/{(protocol or 'TCP').upper()}"
