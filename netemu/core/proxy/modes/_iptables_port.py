"""The rules of one Service port in iptables mode (kube-proxy.md, 1.4).

Where a packet goes, by chain (H stands for the port's hash):

    KUBE-SERVICES ─ cluster IP ──────────────→ KUBE-SVC-H or KUBE-SVL-H
                  ─ external IP, LoadBalancer → KUBE-EXT-H (or KUBE-FW-H → KUBE-EXT-H)
    KUBE-NODEPORTS ─ node port ──────────────→ KUBE-EXT-H
    KUBE-EXT-H ─→ KUBE-SVC-H (any endpoint) or KUBE-SVL-H (this node's)
    KUBE-SVC-H, KUBE-SVL-H ─→ one KUBE-SEP-x, which rewrites the destination
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from netemu.core.netfilter.tables import Rules
from netemu.core.proxy.choice import Choice
from netemu.core.proxy.contract import ProxyConfig
from netemu.core.proxy.endpoints import Endpoint
from netemu.core.proxy.hashes import endpoint_hash, port_hash
from netemu.core.proxy.services import Address, ServicePort

MASQUERADE = "-j KUBE-MARK-MASQ"


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """What all ports' rules have in common; compared by identity, so that it can be a key."""

    config: ProxyConfig
    large: bool
    """Very many endpoints: leave out the comments that come once an endpoint."""

    @property
    def is_local(self) -> str:
        """Matches what pods send; empty without a detector."""
        return f"-s {self.config.cluster_cidr}" if self.config.cluster_cidr else ""

    @property
    def is_not_local(self) -> str:
        return f"! -s {self.config.cluster_cidr}" if self.config.cluster_cidr else ""


@dataclass(slots=True, kw_only=True)
class PortRules:
    """One port's share of the chains that all ports share, and its own chains."""

    nat_services: Rules = ()
    nat_node_ports: Rules = ()
    filter_services: Rules = ()
    filter_external: Rules = ()
    filter_node_ports: Rules = ()
    filter_firewall: Rules = ()
    chains: dict[str, Rules] = field(default_factory=dict)
    """In nat, leaf first."""


def render_port(
    port: ServicePort, choice: Choice, shape: Shape, *, node_address: Address
) -> PortRules:
    """Return the rules for one port on a node with this choice of endpoints."""
    return _Port(port, choice, shape, node_address).rules()


@dataclass(slots=True)
class _Sep:
    """One endpoint's chain, and the texts that its rules are made of."""

    endpoint: Endpoint
    chain: str
    address: str
    label: str


def _sep(port: ServicePort, endpoint: Endpoint) -> _Sep:
    label = endpoint.label
    chain = f"KUBE-SEP-{endpoint_hash(port.label, port.protocol, label)}"
    return _Sep(endpoint, chain, str(endpoint.address), label)


class _Port:
    """One port while its rules are written: names that many of them need."""

    def __init__(
        self, port: ServicePort, choice: Choice, shape: Shape, node_address: Address
    ) -> None:
        self.port = port
        self.choice = choice
        self.shape = shape
        self.node_address = node_address
        self.label = port.label
        self.proto = f"-m {port.protocol} -p {port.protocol}"
        self.seps = [_sep(port, endpoint) for endpoint in choice.reachable]
        name = port_hash(self.label, port.protocol)
        self.svc, self.svl = f"KUBE-SVC-{name}", f"KUBE-SVL-{name}"
        self.ext, self.fw = f"KUBE-EXT-{name}", f"KUBE-FW-{name}"
        none_here = not choice.local
        self.has_internal = choice.has_any and not (port.internal_local and none_here)
        self.has_external = choice.has_any and not (port.external_local and none_here)

    def rules(self) -> PortRules:
        return PortRules(
            nat_services=tuple(self._dispatch()),
            nat_node_ports=tuple(self._node_port_dispatch()),
            filter_services=() if self.has_internal else (self._refusal(self.port.cluster_ip),),
            filter_external=() if self.has_external else tuple(self._external_refusals()),
            filter_node_ports=tuple(self._health_check()),
            filter_firewall=tuple(self._firewall_drops()) if self._has_firewall else (),
            chains=dict(self._chains()),
        )

    # Dispatch: which chain is for a packet to this address.

    def _dispatch(self) -> Iterator[str]:
        if self.has_internal:
            chain = self.svl if self.port.internal_local else self.svc
            yield f"{self._to(self.port.cluster_ip, 'cluster IP')} -j {chain}"
        if not self.choice.has_any:
            return
        for address in self.port.external_ips:
            yield f"{self._to(address, 'external IP')} -j {self.ext}"
        entry = self.fw if self._has_firewall else self.ext
        for address in self.port.load_balancer_ips:
            yield f"{self._to(address, 'loadbalancer IP')} -j {entry}"

    def _node_port_dispatch(self) -> Iterator[str]:
        if self.port.node_port and self.choice.has_any:
            yield (
                f"-m comment --comment {self.label} "
                f"{self.proto} --dport {self.port.node_port} -j {self.ext}"
            )

    def _to(self, address: Address, what: str) -> str:
        return (
            f'-m comment --comment "{self.label} {what}" '
            f"{self.proto} -d {address} --dport {self.port.port}"
        )

    # Refusal: nobody answers here. REJECT if nobody answers anywhere.

    def _refusal(self, address: Address) -> str:
        comment, verdict = self._no_endpoints()
        return (
            f'-m comment --comment "{comment}" {self.proto} '
            f"-d {address} --dport {self.port.port} -j {verdict}"
        )

    def _external_refusals(self) -> Iterator[str]:
        for address in (*self.port.external_ips, *self.port.load_balancer_ips):
            yield self._refusal(address)
        if self.port.node_port:
            comment, verdict = self._no_endpoints()
            yield (
                f'-m comment --comment "{comment}" -m addrtype --dst-type LOCAL '
                f"{self.proto} --dport {self.port.node_port} -j {verdict}"
            )

    def _no_endpoints(self) -> tuple[str, str]:
        # With endpoints elsewhere the client should try another node: DROP, and let
        # it time out, rather than tell it that the Service is down.
        if self.choice.has_any:
            return f"{self.label} has no local endpoints", "DROP"
        return f"{self.label} has no endpoints", "REJECT"

    def _health_check(self) -> Iterator[str]:
        if self.port.health_check_node_port:
            yield (
                f'-m comment --comment "{self.label} health check node port" -m tcp -p tcp '
                f"--dport {self.port.health_check_node_port} -j ACCEPT"
            )

    # loadBalancerSourceRanges.

    @property
    def _has_firewall(self) -> bool:
        port = self.port
        return bool(port.load_balancer_ips and port.source_ranges and self.choice.has_any)

    def _firewall(self) -> Iterator[str]:
        comment = f'-m comment --comment "{self.label} loadbalancer IP"'
        for network in self.port.source_ranges:
            yield f"{comment} -s {network} -j {self.ext}"
        if any(self.node_address in network for network in self.port.source_ranges):
            # What the node sends to a LoadBalancer address that it accepts itself
            # comes from that very address.
            for address in self.port.load_balancer_ips:
                yield f"{comment} -s {address} -j {self.ext}"
        yield (
            f'-m comment --comment "other traffic to {self.label} '
            'will be dropped by KUBE-PROXY-FIREWALL"'
        )

    def _firewall_drops(self) -> Iterator[str]:
        # Accepted packets have a new destination by the time they reach filter.
        for address in self.port.load_balancer_ips:
            yield (
                f'-m comment --comment "{self.label} traffic not accepted by {self.fw}" '
                f"{self.proto} -d {address} --dport {self.port.port} -j DROP"
            )

    # The port's own chains.

    def _chains(self) -> Iterator[tuple[str, Rules]]:
        if not self.choice.has_any:
            return
        yield from self._endpoint_chains()
        if self.choice.cluster:
            yield self.svc, tuple(self._choosing(self.svc, self._seps_of(self.choice.cluster)))
        if self.choice.local:
            yield self.svl, tuple(self._choosing(self.svl, self._seps_of(self.choice.local)))
        if self.port.externally_accessible:
            yield self.ext, tuple(self._external())
        if self._has_firewall:
            yield self.fw, tuple(self._firewall())

    def _endpoint_chains(self) -> Iterator[tuple[str, Rules]]:
        comment = "" if self.shape.large else f"-m comment --comment {self.label} "
        for sep in self.seps:
            chain = sep.chain
            remember = f"-m recent --name {chain} --set " if self.port.affinity_timeout_s else ""
            yield (
                chain,
                (
                    # A pod that is sent to itself must not see its own address.
                    f"{comment}-s {sep.address} {MASQUERADE}",
                    f"{comment}{remember}{self.proto} -j DNAT --to-destination {sep.label}",
                ),
            )

    def _seps_of(self, endpoints: tuple[Endpoint, ...]) -> list[_Sep]:
        if len(endpoints) == len(self.seps):
            return self.seps
        wanted = {(endpoint.address, endpoint.port) for endpoint in endpoints}
        return [sep for sep in self.seps if (sep.endpoint.address, sep.endpoint.port) in wanted]

    def _choosing(self, chain: str, seps: list[_Sep]) -> Iterator[str]:
        if self.has_internal and chain == (self.svl if self.port.internal_local else self.svc):
            yield from self._masquerade_strangers()
        if self.port.affinity_timeout_s:
            yield from (self._returning(sep) for sep in seps)
        left = len(seps)
        for sep in seps:
            chance = f"-m statistic --mode random --probability {1 / left:0.10f} "
            yield (f"{self._arrow(sep)}{chance if left > 1 else ''}-j {sep.chain}")
            left -= 1

    def _masquerade_strangers(self) -> Iterator[str]:
        """Answers to a client that is no pod must come back through this node."""
        head = self._to(self.port.cluster_ip, "cluster IP")
        if self.shape.config.masquerade_all:
            yield f"{head} {MASQUERADE}"
        elif self.shape.is_not_local:
            yield f"{head} {self.shape.is_not_local} {MASQUERADE}"

    def _returning(self, sep: _Sep) -> str:
        return (
            f"{self._arrow(sep)}-m recent --name {sep.chain} --rcheck "
            f"--seconds {self.port.affinity_timeout_s} --reap -j {sep.chain}"
        )

    def _arrow(self, sep: _Sep) -> str:
        if self.shape.large:
            return ""
        return f'-m comment --comment "{self.label} -> {sep.label}" '

    def _external(self) -> Iterable[str]:
        if not self.port.external_local:
            return (
                self._external_comment("masquerade traffic") + MASQUERADE,
                f"-j {self.svc}",
            )
        return self._external_local()

    def _external_local(self) -> Iterator[str]:
        """Pods and the node itself reach all endpoints: they need no node's own address."""
        if self.shape.is_local:
            comment = self._external_comment("pod traffic")
            yield f"{comment}{self.shape.is_local} -j {self.svc}"
        from_here = "-m addrtype --src-type LOCAL"
        yield f"{self._external_comment('masquerade LOCAL traffic')}{from_here} {MASQUERADE}"
        yield f"{self._external_comment('route LOCAL traffic')}{from_here} -j {self.svc}"
        if self.has_external:
            yield f"-j {self.svl}"

    def _external_comment(self, what: str) -> str:
        return f'-m comment --comment "{what} for {self.label} external destinations" '
