"""iptables mode: a rule for each Service port, a chain for each choice.

The chains, comments and names are kube-proxy's own (kube-proxy.md, 1), so that a
person who knows a real node finds each thing where it is there. What is rendered
for a port is kept with the port: a sync joins the shares, and renders only what
changed; nodes with the same choice of endpoints share it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from netemu.core.netfilter.tables import Jump, Rules
from netemu.core.proxy.contract import (
    ProxyConfig,
    ProxyMode,
    ProxyNode,
    ProxyState,
    ServedPort,
    ServiceTable,
    count_endpoints,
)
from netemu.core.proxy.modes._iptables_port import PortRules, Shape, render_port

CANARY: Final = "KUBE-PROXY-CANARY"
"""An empty chain in each table: when it is gone, somebody flushed the rules."""

_FIXED: Final = {
    "mangle": frozenset({CANARY}),
    "nat": frozenset(
        {CANARY, "KUBE-SERVICES", "KUBE-NODEPORTS", "KUBE-POSTROUTING", "KUBE-MARK-MASQ"}
    ),
    # Not KUBE-FIREWALL: the kubelet's too, and never deleted.
    "filter": frozenset(
        {
            CANARY,
            "KUBE-SERVICES",
            "KUBE-EXTERNAL-SERVICES",
            "KUBE-FORWARD",
            "KUBE-NODEPORTS",
            "KUBE-PROXY-FIREWALL",
        }
    ),
}
_PER_PORT: Final = ("KUBE-SVC-", "KUBE-SVL-", "KUBE-EXT-", "KUBE-FW-", "KUBE-SEP-")

_NEW = "-m conntrack --ctstate NEW"
_PORTALS = '-m comment --comment "kubernetes service portals"'
_EXTERNAL = '-m comment --comment "kubernetes externally-visible service portals"'
_HEALTH = '-m comment --comment "kubernetes health check service ports"'
_FORWARDING = '-m comment --comment "kubernetes forwarding rules"'
_FIREWALL = '-m comment --comment "kubernetes load balancer firewall"'
_POSTROUTING = '-m comment --comment "kubernetes postrouting rules"'
_NODE_PORTS_LAST = (
    '-m comment --comment "kubernetes service nodeports; '
    'NOTE: this must be the last rule in this chain"'
)
_BLOCK_LOCALNET = (
    '-m comment --comment "block incoming localnet connections" '
    "-d 127.0.0.0/8 ! -s 127.0.0.0/8 "
    "-m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT -j DROP"
)

_LOCALNET_JUMPS: Final = (
    Jump("filter", "INPUT", "-j KUBE-FIREWALL"),
    Jump("filter", "OUTPUT", "-j KUBE-FIREWALL"),
)
_JUMPS: Final = (
    Jump("filter", "INPUT", f"{_NEW} {_FIREWALL} -j KUBE-PROXY-FIREWALL"),
    Jump("filter", "INPUT", f"{_HEALTH} -j KUBE-NODEPORTS"),
    Jump("filter", "INPUT", f"{_NEW} {_EXTERNAL} -j KUBE-EXTERNAL-SERVICES"),
    Jump("filter", "FORWARD", f"{_NEW} {_FIREWALL} -j KUBE-PROXY-FIREWALL"),
    Jump("filter", "FORWARD", f"{_FORWARDING} -j KUBE-FORWARD"),
    Jump("filter", "FORWARD", f"{_NEW} {_PORTALS} -j KUBE-SERVICES"),
    Jump("filter", "FORWARD", f"{_NEW} {_EXTERNAL} -j KUBE-EXTERNAL-SERVICES"),
    Jump("filter", "OUTPUT", f"{_NEW} {_FIREWALL} -j KUBE-PROXY-FIREWALL"),
    Jump("filter", "OUTPUT", f"{_NEW} {_PORTALS} -j KUBE-SERVICES"),
    Jump("nat", "PREROUTING", f"{_PORTALS} -j KUBE-SERVICES"),
    Jump("nat", "OUTPUT", f"{_PORTALS} -j KUBE-SERVICES"),
    Jump("nat", "POSTROUTING", f"{_POSTROUTING} -j KUBE-POSTROUTING"),
)


class IptablesMode:
    def plan(self, services: ServiceTable, node: ProxyNode, config: ProxyConfig) -> ProxyState:
        large = count_endpoints(services) > config.large_cluster_endpoints
        view = _view(node, _shape(config, large))
        shares = _Shares()
        for served in services:
            shares.add(_port_rules(served, view))
        tables: dict[str, dict[str, Rules]] = {
            "mangle": {CANARY: ()},
            "filter": _filter(shares, config),
            "nat": _nat(shares, node, config),
        }
        localnet = config.serves_localhost
        return ProxyState(
            tables=tables,
            jumps=(*_LOCALNET_JUMPS, *_JUMPS) if localnet else _JUMPS,
            sysctls={"net.ipv4.conf.all.route_localnet": "1"} if localnet else {},
        )

    def owns(self, table: str, chain: str) -> bool:
        if chain in _FIXED.get(table, ()):
            return True
        return table == "nat" and chain.startswith(_PER_PORT)


@dataclass(slots=True)
class _Shares:
    """The shares of all ports, joined."""

    nat_services: list[str] = field(default_factory=list)
    nat_node_ports: list[str] = field(default_factory=list)
    filter_services: list[str] = field(default_factory=list)
    filter_external: list[str] = field(default_factory=list)
    filter_node_ports: list[str] = field(default_factory=list)
    filter_firewall: list[str] = field(default_factory=list)
    chains: dict[str, Rules] = field(default_factory=dict)

    def add(self, rules: PortRules) -> None:
        self.nat_services += rules.nat_services
        self.nat_node_ports += rules.nat_node_ports
        self.filter_services += rules.filter_services
        self.filter_external += rules.filter_external
        self.filter_node_ports += rules.filter_node_ports
        self.filter_firewall += rules.filter_firewall
        self.chains.update(rules.chains)


@lru_cache(maxsize=16)
def _shape(config: ProxyConfig, large: bool) -> Shape:
    return Shape(config, large)


@dataclass(frozen=True, slots=True, eq=False)
class _View:
    """All that a port's rules depend on besides the port; its identity is a cheap key."""

    node: ProxyNode
    shape: Shape


@lru_cache(maxsize=256)
def _view(node: ProxyNode, shape: Shape) -> _View:
    return _View(node, shape)


def _port_rules(served: ServedPort, view: _View) -> PortRules:
    rules: PortRules | None = served.derived.get(view)
    if rules is None:
        rules = served.derived[view] = _shared_port_rules(served, view)
    return rules


def _shared_port_rules(served: ServedPort, view: _View) -> PortRules:
    """Render, or take what another node with the same choice has rendered."""
    choice = served.choice(view.node)
    # The choice is kept by `served`, so its identity stands for it as long as this does.
    # Only source ranges make rules depend on the node's address.
    address = view.node.address if served.port.source_ranges else None
    key = (view.shape, id(choice), address)
    rules: PortRules | None = served.derived.get(key)
    if rules is None:
        rules = render_port(served.port, choice, view.shape, node_address=view.node.address)
        served.derived[key] = rules
    return rules


def _filter(shares: _Shares, config: ProxyConfig) -> dict[str, Rules]:
    chains: dict[str, Rules] = {
        CANARY: (),
        "KUBE-FORWARD": tuple(_forward(config)),
        "KUBE-NODEPORTS": tuple(shares.filter_node_ports),
        "KUBE-PROXY-FIREWALL": tuple(shares.filter_firewall),
        "KUBE-EXTERNAL-SERVICES": tuple(shares.filter_external),
        "KUBE-SERVICES": tuple(shares.filter_services),
    }
    if config.serves_localhost:
        # 127.0.0.1 is routable now: nobody else may reach what listens only there.
        chains["KUBE-FIREWALL"] = (_BLOCK_LOCALNET,)
    return chains


def _forward(config: ProxyConfig) -> Iterator[str]:
    if not config.tcp_be_liberal:
        # A late packet of a forgotten connection would leave with the pod's own
        # address and make the client reset the connection.
        yield "-m conntrack --ctstate INVALID -j DROP"
    mark = config.masquerade_mark
    yield f"{_FORWARDING} -m mark --mark {mark}/{mark} -j ACCEPT"
    yield (
        '-m comment --comment "kubernetes forwarding conntrack rule" '
        "-m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"
    )


def _nat(shares: _Shares, node: ProxyNode, config: ProxyConfig) -> dict[str, Rules]:
    mark = config.masquerade_mark
    fully = " --random-fully" if config.random_fully else ""
    snat = '-m comment --comment "kubernetes service traffic requiring SNAT"'
    return {
        CANARY: (),
        "KUBE-MARK-MASQ": (f"-j MARK --or-mark {mark}",),
        "KUBE-POSTROUTING": (
            f"-m mark ! --mark {mark}/{mark} -j RETURN",
            f"-j MARK --xor-mark {mark}",
            f"{snat} -j MASQUERADE{fully}",
        ),
        **shares.chains,
        "KUBE-NODEPORTS": tuple(shares.nat_node_ports),
        "KUBE-SERVICES": (*shares.nat_services, *_to_node_ports(node, config)),
    }


def _to_node_ports(node: ProxyNode, config: ProxyConfig) -> Iterator[str]:
    if not config.node_port_addresses:
        loopback = "" if config.serves_localhost else "! -d 127.0.0.0/8 "
        if node.address.version == 6:
            loopback = "! -d ::1/128 "
        yield f"{_NODE_PORTS_LAST} {loopback}-m addrtype --dst-type LOCAL -j KUBE-NODEPORTS"
        return
    for address in node.addresses or (node.address,):
        if any(address in network for network in config.node_port_addresses):
            yield f"{_NODE_PORTS_LAST} -d {address} -j KUBE-NODEPORTS"


MODE: Final[ProxyMode] = IptablesMode()
