"""`hostPort`: a port of the node that leads to a Pod, as the CNI plugin portmap arranges it.

What comes to an address of the node goes through `CNI-HOSTPORT-DNAT` to the Pod's own chain,
which rewrites the destination. What comes from the node's own Pods or from its loopback is
marked first, and leaves under the node's address: the Pod could not answer it otherwise. So
a Pod reaches itself through its host port, too (control-plane-and-node.md, 4.1).
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

from netemu.core.kubelet.memory import is_sidecar
from netemu.core.netfilter.tables import Jump, Tables
from netemu.core.proxy.services import Address
from netemu.core.proxy.stale_flows import Flow
from netemu.model.core_v1 import Pod

_NETWORK = "cbr0"
"""The network's name in flannel's CNI configuration."""
_DNAT, _SETMARK, _MASQ = "CNI-HOSTPORT-DNAT", "CNI-HOSTPORT-SETMARK", "CNI-HOSTPORT-MASQ"
_POD_CHAIN = "CNI-DN-"
_MARK = "0x2000/0x2000"
_PORTS_A_RULE = 15
"""More xt_multiport does not take."""
_COMMENT_MAX = 255
_EVERY_ADDRESS = ("", "0.0.0.0")

_LOCAL = f"-m addrtype --dst-type LOCAL -j {_DNAT}"
JUMPS = (
    Jump("nat", "PREROUTING", _LOCAL, last=True),
    Jump("nat", "OUTPUT", _LOCAL, last=True),
    Jump(
        "nat",
        "POSTROUTING",
        f'-m comment --comment "CNI portfwd requiring masquerade" -j {_MASQ}',
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class HostPort:
    """One port of the node that leads to one of a Pod."""

    protocol: str
    """As in rules: tcp, udp or sctp."""
    host_ip: str = ""
    port: int
    pod_port: int

    @property
    def every_address(self) -> bool:
        return self.host_ip in _EVERY_ADDRESS


@dataclass(frozen=True, slots=True, kw_only=True)
class Forwarded:
    """A Pod with host ports."""

    uid: str
    name: str
    """`namespace/name`."""
    address: IPv4Address
    ports: tuple[HostPort, ...]


def ports_of(pod: Pod) -> tuple[HostPort, ...]:
    """Return what must be forwarded to the Pod; one in the node's network needs nothing."""
    if pod.spec.host_network:
        return ()
    sidecars = (container for container in pod.spec.init_containers if is_sidecar(container))
    return tuple(
        HostPort(
            protocol=(port.protocol or "TCP").lower(),
            host_ip=port.host_ip,
            port=port.host_port,
            pod_port=port.container_port,
        )
        for container in (*pod.spec.containers, *sidecars)
        for port in container.ports
        # Addresses of another family lead nowhere in a cluster of IPv4.
        if port.host_port and ":" not in port.host_ip
    )


def plan(pods: Iterable[Forwarded], *, pod_range: IPv4Network) -> Tables:
    """Return the chains of a node whose Pods have that range."""
    ordered = sorted(pods, key=lambda pod: (pod.name, pod.uid))
    own = {_chain_of(pod): tuple(_forwarding(pod, pod_range)) for pod in ordered}
    says = '-m comment --comment "CNI portfwd masquerade mark"'
    return {
        "nat": {
            _SETMARK: (f"{says} -j MARK --set-xmark {_MARK}",),
            _MASQ: (f"-m mark --mark {_MARK} -j MASQUERADE",),
            **own,
            _DNAT: tuple(rule for pod in ordered for rule in _entrances(pod)),
        }
    }


def ours(_table: str, chain: str) -> bool:
    """Tell whether a chain is one of these."""
    return chain.startswith((_POD_CHAIN, "CNI-HOSTPORT-"))


def _chain_of(pod: Forwarded) -> str:
    digest = hashlib.sha512(f"{_NETWORK}{pod.uid}".encode()).hexdigest()
    return f"{_POD_CHAIN}{digest[:21]}"


def _entrances(pod: Forwarded) -> Iterator[str]:
    says = rf'-m comment --comment "dnat name: \"{_NETWORK}\" id: \"{pod.uid}\""'
    for protocol in sorted({port.protocol for port in pod.ports}):
        numbers = sorted({port.port for port in pod.ports if port.protocol == protocol})
        for start in range(0, len(numbers), _PORTS_A_RULE):
            some = ",".join(str(number) for number in numbers[start : start + _PORTS_A_RULE])
            yield f"-p {protocol} {says} -m multiport --dports {some} -j {_chain_of(pod)}"


def _forwarding(pod: Forwarded, pod_range: IPv4Network) -> Iterator[str]:
    for port in pod.ports:
        to = "" if port.every_address else f"-d {port.host_ip}/32 "
        says = f"{pod.name} hostport {port.port}"[:_COMMENT_MAX]
        what = f'-p {port.protocol} -m comment --comment "{says}" -m {port.protocol}'
        for source in (f"{pod_range}", "127.0.0.1/32"):
            yield f"-s {source} {to}{what} --dport {port.port} -j {_SETMARK}"
        yield (
            f"{to}{what} --dport {port.port} -j DNAT --to-destination {pod.address}:{port.pod_port}"
        )


def stale_flows(
    flows: Iterable[Flow],
    pods: Iterable[Forwarded],
    gone: Iterable[Forwarded],
    *,
    node: Collection[Address],
) -> Iterator[Flow]:
    """Yield the UDP flows to host ports that are answered by another than who should.

    UDP has no handshake: what was sent to a port before it was forwarded, or to the Pod
    that had it before, would keep going there. `node` holds the node's addresses.
    """
    now = {(port.port, pod.address, port.pod_port) for pod, port in _udp(pods)}
    before = {(port.port, pod.address, port.pod_port) for pod, port in _udp(gone)}
    taken = {number for number, _, _ in now}
    for flow in flows:
        if not (flow.destination.is_loopback or flow.destination in node):
            continue
        way = (flow.port, flow.answer_from, flow.answer_port)
        if way in before or (flow.port in taken and way not in now):
            yield flow


def _udp(pods: Iterable[Forwarded]) -> Iterator[tuple[Forwarded, HostPort]]:
    return ((pod, port) for pod in pods for port in pod.ports if port.protocol == "udp")
