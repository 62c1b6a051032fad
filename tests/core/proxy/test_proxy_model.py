"""Services, endpoints and the choice between them, as kube-proxy.md's section 0 has them."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest

from netemu.core.proxy.choice import choose
from netemu.core.proxy.contract import ProxyNode
from netemu.core.proxy.endpoints import Endpoint, merge
from netemu.core.proxy.hashes import endpoint_hash, port_hash
from netemu.core.proxy.services import Family, ServicePort, service_ports
from netemu.core.proxy.stale_flows import Flow, stale_flows
from netemu.core.proxy.tracker import ServiceTracker
from netemu.model import core_v1
from netemu.model.core_v1.service import ServiceSpec
from netemu.model.discovery_v1 import Endpoint as SliceEndpoint
from netemu.model.discovery_v1 import EndpointPort, EndpointSlice
from netemu.model.keys import ObjectKey
from netemu.model.meta_v1 import ObjectMeta


@pytest.mark.parametrize(
    ("label", "protocol", "expected"),
    [
        ("ns1/svc1:p80", "tcp", "XPGD46QRK7WJZT7O"),
        ("default/kubernetes:https", "tcp", "NPX46M4PTMTKRN6Y"),
        ("kube-system/kube-dns:dns", "udp", "TCOU7JCQXEZGVUNU"),
        ("default/nginx", "tcp", "2CMXP7HKUVJN7L6M"),
    ],
)
def test_port_hashes_are_kube_proxys_own(label: str, protocol: str, expected: str) -> None:
    """The vectors of real nodes."""
    assert port_hash(label, protocol) == expected


def test_endpoint_hashes_are_kube_proxys_own() -> None:
    """The vector of a real node."""
    assert endpoint_hash("ns1/svc1:p80", "tcp", "10.180.0.1:80") == "SXIVWICOYRO3J4NJ"


def _port(**options) -> ServicePort:
    given = {
        "service": ObjectKey("ns", "svc"),
        "name": "p",
        "protocol": "tcp",
        "cluster_ip": IPv4Address("10.96.0.1"),
        "port": 80,
    }
    return ServicePort(**{**given, **options})


def _endpoint(last: int, node: str = "", **options) -> Endpoint:
    return Endpoint(address=IPv4Address(f"10.244.0.{last}"), port=80, node=node, **options)


ENDING = {"ready": False, "serving": True, "terminating": True}
GONE = {"ready": False, "serving": False, "terminating": True}
LOCAL = {"internal_local": True}
EXTERNAL_LOCAL = {"external_local": True, "node_port": 30000}

CHOICES = [
    # story, port, endpoints, cluster, local, has_any
    ("ready ones", {}, [_endpoint(1), _endpoint(2)], [1, 2], [], True),
    ("none", {}, [], [], [], False),
    ("unready ones do not count", {}, [_endpoint(1, ready=False, serving=False)], [], [], False),
    ("unready but serving is not ending", {}, [_endpoint(1, ready=False)], [], [], False),
    ("ending ones at last", {}, [_endpoint(1, **ENDING), _endpoint(2, **GONE)], [1], [], True),
    ("ready before ending", {}, [_endpoint(1), _endpoint(2, **ENDING)], [1], [], True),
    ("local only", LOCAL, [_endpoint(1, "me"), _endpoint(2, "you")], [], [1], True),
    ("local only, none here", LOCAL, [_endpoint(2, "you")], [], [], True),
    ("no node is not local", LOCAL, [_endpoint(1)], [], [], True),
    (
        "external Local knows all of them for short cuts",
        EXTERNAL_LOCAL,
        [_endpoint(1, "me"), _endpoint(2, "you")],
        [1, 2],
        [1],
        True,
    ),
    (
        "the fallback is decided for each policy alone",
        EXTERNAL_LOCAL,
        [_endpoint(1, "me", **ENDING), _endpoint(2, "you")],
        [2],
        [1],
        True,
    ),
    (
        "Local without any way in is Cluster",
        {"external_local": True},
        [_endpoint(1)],
        [1],
        [],
        True,
    ),
    (
        "zone hints",
        {},
        [_endpoint(1, for_zones=frozenset("a")), _endpoint(2, for_zones=frozenset("b"))],
        [1],
        [],
        True,
    ),
    (
        "a hint that is missing disables all",
        {},
        [_endpoint(1, for_zones=frozenset("a")), _endpoint(2)],
        [1, 2],
        [],
        True,
    ),
    (
        "hints for others only disable all",
        {},
        [_endpoint(1, for_zones=frozenset("x")), _endpoint(2, for_zones=frozenset("y"))],
        [1, 2],
        [],
        True,
    ),
    (
        "node hints come before zone hints",
        {},
        [
            _endpoint(1, for_zones=frozenset("a"), for_nodes=frozenset({"you"})),
            _endpoint(2, for_zones=frozenset("b"), for_nodes=frozenset({"me"})),
        ],
        [2],
        [],
        True,
    ),
    (
        "hints of what is not ready do not matter",
        {},
        [_endpoint(1, for_zones=frozenset("a")), _endpoint(2, **ENDING)],
        [1],
        [],
        True,
    ),
    (
        "hints never shape the local list",
        EXTERNAL_LOCAL,
        [
            _endpoint(1, "me", for_zones=frozenset("b")),
            _endpoint(2, "you", for_zones=frozenset("a")),
        ],
        [2],
        [1],
        True,
    ),
]


@pytest.mark.parametrize(
    ("port", "endpoints", "cluster", "local", "has_any"),
    [case[1:] for case in CHOICES],
    ids=[case[0] for case in CHOICES],
)
def test_endpoints_are_chosen(port, endpoints, cluster, local, has_any) -> None:
    """Each row is one sentence of the facts."""
    choice = choose(_port(**port), endpoints, node="me", zone="a")
    assert [int(str(e.address).rpartition(".")[2]) for e in choice.cluster] == cluster
    assert [int(str(e.address).rpartition(".")[2]) for e in choice.local] == local
    assert choice.has_any is has_any


def _service(name: str = "web", **spec) -> core_v1.Service:
    given = {
        "cluster_ip": "10.96.0.1",
        "ports": [core_v1.ServicePort(name="p", port=80, protocol="TCP")],
    }
    return core_v1.Service(
        metadata=ObjectMeta(name=name, namespace="ns"), spec=ServiceSpec(**{**given, **spec})
    )


def test_each_family_has_its_own_addresses() -> None:
    """A dual-stack Service is two Services to two proxies."""
    service = _service(
        cluster_ips=["10.96.0.1", "fd00::1"],
        external_ips=["203.0.113.1", "2001:db8::1"],
        type="LoadBalancer",
    )
    (four,), (six,) = (list(service_ports(service, family)) for family in Family)
    assert (str(four.cluster_ip), str(six.cluster_ip)) == ("10.96.0.1", "fd00::1")
    assert [str(a) for a in six.external_ips] == ["2001:db8::1"]


def test_a_family_without_address_has_no_ports() -> None:
    """No ClusterIP of the family, no rules in it."""
    assert not list(service_ports(_service(), Family.IPV6))


def _slice(
    name: str = "web-1", *addresses: str, kind: str = "IPv4", node: str = ""
) -> EndpointSlice:
    return EndpointSlice(
        metadata=ObjectMeta(
            name=name, namespace="ns", labels={"kubernetes.io/service-name": "web"}
        ),
        address_type=kind,
        ports=[EndpointPort(name="p", port=80, protocol="TCP")],
        endpoints=[SliceEndpoint(addresses=[a], node_name=node or None) for a in addresses],
    )


def test_slices_are_merged_and_sorted() -> None:
    """Order is by address, whatever the slices' order; duplicates count once."""
    slices = [_slice("b", "10.244.0.10", "10.244.0.9"), _slice("a", "10.244.0.9", node="n")]
    merged = merge(slices)["p", "tcp"]
    assert [str(e.address) for e in merged] == ["10.244.0.9", "10.244.0.10"]
    assert merged[0].node == "n"
    assert merge(reversed(slices)) == merge(slices)


def test_slices_of_the_other_family_do_not_count() -> None:
    """An IPv6 slice means nothing to the IPv4 proxy."""
    assert not merge([_slice("a", "fd00::2", kind="IPv6")])
    assert merge([_slice("a", "fd00::2", kind="IPv6")], Family.IPV6)["p", "tcp"][0].label == (
        "[fd00::2]:80"
    )


def test_the_table_keeps_what_did_not_change() -> None:
    """Entries are the same objects until their Service changes: what is derived stays valid."""
    tracker = ServiceTracker()
    for name in ("web", "api"):
        tracker.set_service(_service(name))
    tracker.set_slice(_slice("web-1", "10.244.0.2"))
    before = tracker.table()
    assert [served.port.service.name for served in before] == ["api", "web"]
    tracker.set_service(_service("web"))  # Written again, with nothing new.
    assert tracker.table() is before
    tracker.set_slice(_slice("web-1", "10.244.0.3"))
    after = tracker.table()
    assert after[0] is before[0]
    assert after[1] is not before[1]
    tracker.delete_slice(_slice("web-1"))
    tracker.delete_service(ObjectKey("ns", "api"))
    (left,) = tracker.table()
    assert (left.port.service.name, left.endpoints) == ("web", ())


def test_another_proxys_service_is_left_alone() -> None:
    """The label takes a Service away from us, also when it comes later."""
    tracker = ServiceTracker()
    tracker.set_service(_service())
    assert tracker.table()
    foreign = _service()
    foreign.metadata.labels["service.kubernetes.io/service-proxy-name"] = "other"
    tracker.set_service(foreign)
    assert tracker.table() == ()


def test_choices_are_shared_where_they_cannot_differ() -> None:
    """Three nodes choose once, unless a policy or a hint asks for the node."""
    tracker = ServiceTracker()
    tracker.set_service(_service())
    tracker.set_slice(_slice("web-1", "10.244.0.2"))
    (served,) = tracker.table()
    nodes = [ProxyNode(name=n, address=IPv4Address("198.18.0.11")) for n in "abc"]
    assert len({id(served.choice(node)) for node in nodes}) == 1


def test_only_flows_to_dead_endpoints_are_stale() -> None:
    """A UDP flow is forgotten if its Service has endpoints and it is answered by none of them."""
    tracker = ServiceTracker()
    service = _service(
        ports=[core_v1.ServicePort(name="p", port=53, protocol="UDP", node_port=30053)]
    )
    tracker.set_service(service)
    piece = _slice("web-1", "10.244.0.2")
    piece.ports[0].protocol = "UDP"
    tracker.set_slice(piece)

    def flow(to: str, port: int, answer: str) -> Flow:
        return Flow(
            destination=IPv4Address(to),
            port=port,
            answer_from=IPv4Address(answer),
            answer_port=80,
        )

    alive = flow("10.96.0.1", 53, "10.244.0.2")
    dead = flow("10.96.0.1", 53, "10.244.0.9")
    hole = flow("10.96.0.1", 53, "10.96.0.1")
    node_port = flow("198.18.0.11", 30053, "10.244.0.9")
    foreign = flow("192.0.2.1", 53, "192.0.2.1")
    flows = [alive, dead, hole, node_port, foreign]
    assert list(stale_flows(flows, tracker.table())) == [dead, hole, node_port]
    tracker.delete_slice(piece)
    assert list(stale_flows(flows, tracker.table())) == []
