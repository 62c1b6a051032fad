"""Host ports: the rules against a golden file, and what they do to packets."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest
import yaml

from netemu.core.kubelet import host_ports
from netemu.core.kubelet.host_ports import Forwarded, HostPort
from netemu.core.netfilter.restore import render
from netemu.core.netfilter.tables import with_jumps
from netemu.core.netfilter.walk import Host, Packet, walk
from netemu.core.proxy.stale_flows import Flow
from netemu.model.codec import from_dict
from netemu.model.core_v1 import Pod

GOLDEN = Path(__file__).parent / "golden" / "host_ports.rules"
RANGE = IPv4Network("10.244.1.0/24")
NODE, GATEWAY = IPv4Address("198.18.0.12"), IPv4Address("10.244.1.1")
WEB = Forwarded(
    uid="1",
    name="default/web",
    address=IPv4Address("10.244.1.7"),
    ports=(
        HostPort(protocol="tcp", port=8080, pod_port=80),
        HostPort(protocol="tcp", port=8443, pod_port=443),
        HostPort(protocol="udp", host_ip="0.0.0.0", port=53, pod_port=5353),
    ),
)
OWN = Forwarded(
    uid="2",
    name="default/own",
    address=IPv4Address("10.244.1.8"),
    ports=(HostPort(protocol="tcp", host_ip="127.0.0.1", port=9000, pod_port=90),),
)
HOST = Host(addresses=frozenset((NODE, GATEWAY)))
TABLES = with_jumps(host_ports.plan((WEB, OWN), pod_range=RANGE), host_ports.JUMPS)


def test_the_rules_are_what_the_golden_file_says(*, update_golden: bool) -> None:
    """As the portmap plugin writes them; who is meant stands in the comments."""
    text = render(host_ports.plan((OWN, WEB), pod_range=RANGE), jumps=host_ports.JUMPS)
    if update_golden:
        GOLDEN.write_text(text)
    assert text == GOLDEN.read_text()


@pytest.mark.parametrize(
    ("source", "link", "destination", "port", "outcome"),
    [
        ("198.18.0.1", "eth0", NODE, 8080, ("10.244.1.7", 80, False)),
        ("198.18.0.13", "eth0", NODE, 8443, ("10.244.1.7", 443, False)),
        ("10.244.1.9", "cni0", NODE, 8080, ("10.244.1.7", 80, True)),
        ("10.244.1.7", "cni0", NODE, 8080, ("10.244.1.7", 80, True)),
        ("127.0.0.1", "", IPv4Address("127.0.0.1"), 8080, ("10.244.1.7", 80, True)),
        ("127.0.0.1", "", IPv4Address("127.0.0.1"), 9000, ("10.244.1.8", 90, True)),
        ("198.18.0.1", "eth0", NODE, 9000, ("198.18.0.12", 9000, False)),
        ("10.244.1.9", "cni0", IPv4Address("10.244.2.3"), 8080, ("10.244.2.3", 8080, False)),
    ],
)
def test_where_packets_go(source, link, destination, port, outcome) -> None:
    """To the Pod, masqueraded where it could not answer else; others go where they went."""
    packet = Packet(source=IPv4Address(source), destination=destination, port=port, in_link=link)
    (found,) = walk(TABLES, packet, HOST)
    assert (str(found.destination), found.port, found.masqueraded) == outcome


def test_many_ports_are_entered_by_rules_of_fifteen() -> None:
    """One rule of multiport takes no more."""
    ports = tuple(HostPort(protocol="tcp", port=9000 + n, pod_port=n) for n in range(1, 32))
    many = Forwarded(uid="m", name="a/m", address=WEB.address, ports=ports)
    entered = host_ports.plan((many,), pod_range=RANGE)["nat"]["CNI-HOSTPORT-DNAT"]
    assert [rule.count(",") + 1 for rule in entered] == [15, 15, 1]


def test_which_ports_a_pod_asks_for() -> None:
    """Those of its containers and sidecars; none for one in the node's network."""
    spec = """
containers: [{name: c, ports: [{containerPort: 80, hostPort: 8080}, {containerPort: 81}]}]
initContainers:
- {name: s, restartPolicy: Always, ports: [{containerPort: 9, hostPort: 9, protocol: UDP}]}
- {name: i, ports: [{containerPort: 7, hostPort: 7}]}
"""
    pod = from_dict({"spec": yaml.safe_load(spec)}, Pod)
    found = [(p.protocol, p.port, p.pod_port) for p in host_ports.ports_of(pod)]
    assert found == [("tcp", 8080, 80), ("udp", 9, 9)]
    pod.spec.host_network = True
    assert host_ports.ports_of(pod) == ()


@pytest.mark.parametrize(
    ("destination", "port", "answer", "stale"),
    [
        (NODE, 53, ("10.244.1.7", 5353), False),
        (NODE, 53, ("198.18.0.12", 53), True),
        (IPv4Address("127.0.0.1"), 53, ("127.0.0.1", 53), True),
        (IPv4Address("10.96.0.10"), 53, ("10.244.1.2", 53), False),
        (NODE, 99, ("198.18.0.12", 99), False),
        (NODE, 70, ("10.244.1.9", 7), True),
    ],
)
def test_which_udp_flows_are_forgotten(destination, port, answer, stale) -> None:
    """Those to a host port that is answered by another, or by a Pod that is gone."""
    flow = Flow(
        destination=destination,
        port=port,
        answer_from=IPv4Address(answer[0]),
        answer_port=answer[1],
    )
    gone = Forwarded(
        uid="g",
        name="a/gone",
        address=IPv4Address("10.244.1.9"),
        ports=(HostPort(protocol="udp", port=70, pod_port=7),),
    )
    found = list(host_ports.stale_flows([flow], [WEB], [gone], node=HOST.addresses))
    assert found == ([flow] if stale else [])
