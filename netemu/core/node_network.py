"""The underlay: a switch, a cable to each node and one to the host, and each node's bridge.

    host  198.18.0.1 ──── netemu-xxxxxx ─┐
    control-plane    198.18.0.11 ─ eth0 ─┤
    worker-1         198.18.0.12 ─ eth0 ─┼─ switch0 198.18.0.2
    worker-2         198.18.0.13 ─ eth0 ─┘

A cable that is cut is a port that is down: the other end sees that it has no carrier.

The switch stands in a namespace of its own, so that no firewall of the host has a say.
Nodes have a default route, to the switch's own address, where the way ends: that
namespace does not forward, and drops what is not for it without a word, just as an
address that nobody answers for does. A node needs some route to Service addresses all
the same: the kernel routes before OUTPUT and FORWARD, and without one REJECT and DNAT
never get a say (kube-proxy.md, 1.10). The host cannot serve as that gateway: one that
forwards would let the packets out.

A new namespace copies some of the host's settings, so all that is relied on is set.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Interface, IPv4Network

from netemu.core import ipam, mac, names
from netemu.core.netstate import Address, Link, NetState, Peer, Route, Sysctl
from netemu.errors import UserError
from netemu.model.settings import ClusterSettings, NodeSettings

UNDERLAY_POOL = IPv4Network("198.18.0.0/15")
"""The benchmarking range (RFC 2544): nobody routes it."""
UNDERLAY_PREFIX = 24
UNDERLAY_MTU = 1500

SWITCH = "switch0"
UPLINK = "eth0"
POD_BRIDGE = "cni0"
POD_LINK = "eth0"

HOST = "host"
"""Key of the host's own namespace among those a plan names; nodes go by their names."""

EVERYTHING = IPv4Network("0.0.0.0/0")


def choose_underlay(taken: Iterable[IPv4Network]) -> IPv4Network:
    """Return the first /24 of the pool that overlaps nothing that the host uses.

    A route that covers the whole pool and more (the default route, a VPN's halves of
    the world) is no obstacle: the more specific one wins.
    """
    obstacles = [
        network
        for network in taken
        if network.overlaps(UNDERLAY_POOL) and network.prefixlen >= UNDERLAY_POOL.prefixlen
    ]
    for candidate in UNDERLAY_POOL.subnets(new_prefix=UNDERLAY_PREFIX):
        if not any(candidate.overlaps(obstacle) for obstacle in obstacles):
            return candidate
    raise UserError(
        f"no /{UNDERLAY_PREFIX} of {UNDERLAY_POOL} is free on this host;"
        " name one that is with `underlay:` in the cluster file"
    )


def switch_address(settings: ClusterSettings) -> IPv4Address:
    """The switch's own address: every node's default gateway, and a dead end."""
    return settings.underlay.network_address + 2


def plan_switch(settings: ClusterSettings) -> NetState:
    """Return what the switch's namespace holds: the bridge and all cables' near ends."""
    return NetState(
        sysctls=frozenset(_SWITCH_SYSCTLS),
        links=(
            Link(name="lo"),
            Link(name=SWITCH, kind="bridge", mtu=UNDERLAY_MTU, mac=_mac(settings, SWITCH)),
            _cable(settings, near=HOST, peer=_host_end(settings)),
            *(
                _cable(settings, near=node.name, peer=_node_end(settings, node), up=node.cabled)
                for node in settings.powered_nodes
            ),
        ),
        addresses=frozenset(
            {Address(link=SWITCH, address=_on_link(settings, switch_address(settings)))}
        ),
    )


def plan_node(settings: ClusterSettings, node: NodeSettings) -> NetState:
    """Return what a node's namespace holds before there are pods."""
    return NetState(
        sysctls=frozenset(_NODE_SYSCTLS),
        links=(Link(name="lo"), Link(name=UPLINK, mtu=UNDERLAY_MTU)),
        addresses=frozenset({Address(link=UPLINK, address=_on_link(settings, node.address))}),
        routes=frozenset(
            {Route(destination=EVERYTHING, via=switch_address(settings), link=UPLINK)}
        ),
    )


def plan_host(settings: ClusterSettings) -> NetState:
    """Return what is added to the host: one link with one address, and nothing else."""
    link = names.host_link(settings.name)
    alias = names.underlay_netns(settings.name)
    return NetState(
        links=(Link(name=link, mtu=UNDERLAY_MTU, alias=alias),),
        addresses=frozenset(
            {Address(link=link, address=_on_link(settings, settings.host_address))}
        ),
    )


def plan_pod_bridge(pod_range: IPv4Network, *, mtu: int) -> NetState:
    """Return a node's bridge, whose address is its pods' gateway.

    The MAC is given: a bridge without one takes its lowest port's, and changes it with
    every pod that comes or goes, under all pods' ARP entries.
    """
    address = ipam.gateway(pod_range)
    return NetState(
        links=(Link(name=POD_BRIDGE, kind="bridge", mtu=mtu, mac=mac.of_address(address.ip)),),
        addresses=frozenset({Address(link=POD_BRIDGE, address=address)}),
    )


def port_name(settings: ClusterSettings, near: str) -> str:
    """Return the name that the switch gives to its end of a cable."""
    return names.veth("port", f"{names.PREFIX}-{settings.name}-{near}")


def _cable(settings: ClusterSettings, *, near: str, peer: Peer, up: bool = True) -> Link:
    alias = f"to {names.PREFIX}-{settings.name}-{near}"
    return Link(
        name=port_name(settings, near),
        kind="veth",
        mtu=UNDERLAY_MTU,
        up=up,
        master=SWITCH,
        alias=alias,
        peer=peer,
    )


def _host_end(settings: ClusterSettings) -> Peer:
    # With a MAC of its own choice systemd-udevd gives it no other.
    return Peer(name=names.host_link(settings.name), netns=HOST, mac=_mac(settings, HOST))


def _node_end(settings: ClusterSettings, node: NodeSettings) -> Peer:
    return Peer(name=UPLINK, netns=node.name, mac=_mac(settings, node.name))


def _mac(settings: ClusterSettings, owner: str) -> str:
    """Return a locally administered MAC that is the same at every attempt."""
    return mac.of_name(f"{settings.name}/{owner}")


def _on_link(settings: ClusterSettings, address: IPv4Address) -> IPv4Interface:
    return IPv4Interface((address, settings.underlay.prefixlen))


def _sysctls(values: dict[str, int], *, optional: bool = False) -> list[Sysctl]:
    return [Sysctl(name=n, value=str(v), optional=optional) for n, v in values.items()]


_NO_IPV6 = _sysctls(
    {
        # Links made from now on: no duplicate address detection, no router solicitations.
        # Loopback keeps ::1.
        "net.ipv6.conf.default.disable_ipv6": 1,
        "net.ipv6.conf.default.accept_ra": 0,
    },
    optional=True,
)

_EVERY_LINK = {
    f"net.ipv4.conf.{which}.{name}": value
    for which in ("all", "default")
    for name, value in {
        "rp_filter": 0,
        "accept_redirects": 0,
        # Pod → ClusterIP → pod on one bridge leaves where it came in: no news for the pod.
        "send_redirects": 0,
        "accept_local": 0,
        "arp_ignore": 0,
        "arp_announce": 0,
        "arp_filter": 0,
        "proxy_arp": 0,
    }.items()
}

_NODE_SYSCTLS = [
    *_sysctls(_EVERY_LINK),
    # Loopback is there already: it does not copy `default` any more.
    *_sysctls({"net.ipv4.conf.lo.rp_filter": 0}),
    *_sysctls({"net.ipv4.ip_forward": 1, "net.ipv4.conf.default.forwarding": 1}),
    *_sysctls(
        {
            # What is switched on cni0 must pass netfilter, or replies from a Service's
            # endpoint on the same bridge never find their way back through its DNAT.
            "net.bridge.bridge-nf-call-iptables": 1,
            "net.bridge.bridge-nf-call-arptables": 0,
        }
    ),
    *_NO_IPV6,
]

_SWITCH_SYSCTLS = [
    *_sysctls(_EVERY_LINK),
    *_sysctls({"net.ipv4.ip_forward": 0, "net.ipv4.conf.default.forwarding": 0}),
    *_sysctls(
        {
            "net.bridge.bridge-nf-call-iptables": 0,
            "net.bridge.bridge-nf-call-ip6tables": 0,
            "net.bridge.bridge-nf-call-arptables": 0,
        },
        optional=True,
    ),
    *_NO_IPV6,
]

POD_SYSCTLS: tuple[Sysctl, ...] = (*_NO_IPV6,)
"""Before the pod's link is made; what a Pod's spec asks for is the sandbox's business."""
