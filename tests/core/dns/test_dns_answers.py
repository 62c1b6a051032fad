"""What DNS answers, question by question (specification 1.1.0)."""

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netemu.core.dns import wire
from netemu.core.dns.answers import Rcode, Srv, Type, answer
from netemu.core.dns.directory import Directory, describe
from netemu.model.core_v1 import Service, ServicePort, ServiceSpec
from netemu.model.discovery_v1 import Endpoint, EndpointConditions, EndpointPort, EndpointSlice
from netemu.model.meta_v1 import ObjectMeta


def service(name: str, **spec: object) -> Service:
    return Service(metadata=ObjectMeta(name=name, namespace="shop"), spec=ServiceSpec(**spec))


def slice_of(*endpoints: Endpoint, ports: list[EndpointPort] | None = None) -> EndpointSlice:
    http = [EndpointPort(name="http", port=8080, protocol="TCP")]
    return EndpointSlice(
        address_type="IPv4", endpoints=list(endpoints), ports=http if ports is None else ports
    )


def endpoint(address: str, *, hostname: str | None = None, ready: bool | None = True) -> Endpoint:
    return Endpoint(
        addresses=[address], hostname=hostname, conditions=EndpointConditions(ready=ready)
    )


@pytest.fixture
def directory() -> Directory:
    made = Directory("cluster.local")
    made.namespaces |= {"shop", "default"}
    http = ServicePort(name="http", port=80, protocol="TCP")
    backends = slice_of(endpoint("10.244.1.5"), endpoint("10.244.2.6", hostname="db-0"))
    for made_service, slices in [
        (
            service("web", cluster_ip="10.96.1.2", cluster_ips=["10.96.1.2"], ports=[http]),
            [backends],
        ),
        (service("db", cluster_ip="None", cluster_ips=["None"], ports=[http]), [backends]),
        (service("empty", cluster_ip="None", cluster_ips=["None"]), []),
        (service("idle", cluster_ip="10.96.1.3", cluster_ips=["10.96.1.3"]), []),
        (service("out", type="ExternalName", external_name="example.com."), []),
        (service("alias", type="ExternalName", external_name="web.shop.svc.cluster.local"), []),
        (service("loop", type="ExternalName", external_name="loop.shop.svc.cluster.local"), []),
        (service("lost", type="ExternalName", external_name="no.shop.svc.cluster.local"), []),
        (service("number", type="ExternalName", external_name="10.1.2.3"), []),
    ]:
        made.put(describe(made_service, slices))
    return made


ZONE = ".cluster.local"
ADDRESSES = [
    ("web.shop.svc", ["10.96.1.2"]),
    ("idle.shop.svc", ["10.96.1.3"]),
    ("db.shop.svc", ["10.244.1.5", "10.244.2.6"]),
    ("db-0.db.shop.svc", ["10.244.2.6"]),
    ("10-244-1-5.db.shop.svc", ["10.244.1.5"]),
    ("10-244-1-5.web.shop.svc", ["10.244.1.5"]),
    ("_http._tcp.web.shop.svc", ["10.96.1.2"]),
    ("1-2-3-4.default.pod", ["1.2.3.4"]),
]


@pytest.mark.parametrize(("name", "expected"), ADDRESSES)
def test_names_lead_to_addresses(directory, name, expected):
    """An A question is answered with the Service's or the endpoints' addresses."""
    reply = answer(name + ZONE, Type.A, directory)
    assert sorted(str(record.data) for record in reply.answers) == sorted(expected)
    assert reply.rcode == Rcode.NOERROR


NEGATIVE = [
    # An existing name without such records ends a resolver's search; a missing one does not.
    ("web.shop.svc", Type.AAAA, Rcode.NOERROR),
    ("web.shop.svc", Type.TXT, Rcode.NOERROR),
    ("svc", Type.A, Rcode.NOERROR),
    ("pod", Type.A, Rcode.NOERROR),
    ("shop.svc", Type.A, Rcode.NOERROR),
    ("default.pod", Type.A, Rcode.NOERROR),
    ("1-2-3-4.default.pod", Type.AAAA, Rcode.NOERROR),
    ("no.shop.svc", Type.A, Rcode.NXDOMAIN),
    ("web.nowhere.svc", Type.A, Rcode.NXDOMAIN),
    ("empty.shop.svc", Type.A, Rcode.NXDOMAIN),
    ("no.db.shop.svc", Type.A, Rcode.NXDOMAIN),
    ("_ftp._tcp.web.shop.svc", Type.SRV, Rcode.NXDOMAIN),
    ("a.b.c.web.shop.svc", Type.A, Rcode.NXDOMAIN),
    ("1-2-3.default.pod", Type.A, Rcode.NXDOMAIN),
    ("1-2-3-4.nowhere.pod", Type.A, Rcode.NXDOMAIN),
    ("anything", Type.A, Rcode.NXDOMAIN),
    ("lost.shop.svc", Type.A, Rcode.NXDOMAIN),
    ("number.shop.svc", Type.A, Rcode.NXDOMAIN),
]


@pytest.mark.parametrize(("name", "type", "rcode"), NEGATIVE)
def test_nxdomain_and_nodata_are_told_apart(directory, name, type, rcode):
    """Negative answers carry the SOA and say whether the name exists."""
    reply = answer(name + ZONE, type, directory)
    assert (reply.rcode, reply.answers, reply.soa) == (rcode, (), True)


def test_srv_of_a_cluster_ip_service_names_the_service(directory):
    """The named port's SRV leads to the Service's own name, whose address is beside it."""
    reply = answer("_http._tcp.web.shop.svc" + ZONE, Type.SRV, directory)
    assert [r.data for r in reply.answers] == [Srv(100, 80, "web.shop.svc.cluster.local")]
    assert [str(r.data) for r in reply.additional] == ["10.96.1.2"]


def test_srv_of_a_headless_service_names_each_endpoint(directory):
    """A headless Service's SRV records share the weight between the endpoints."""
    reply = answer("_http._tcp.db.shop.svc" + ZONE, Type.SRV, directory)
    assert {r.data for r in reply.answers} == {
        Srv(50, 8080, "10-244-1-5.db.shop.svc.cluster.local"),
        Srv(50, 8080, "db-0.db.shop.svc.cluster.local"),
    }


def test_srv_without_port_answers_all_ports(directory):
    """CoreDNS answers SRV of the bare Service with every port."""
    assert len(answer("db.shop.svc" + ZONE, Type.SRV, directory).answers) == 2


def test_external_names_are_chased(directory):
    """Inside the zone the CNAME is followed here, outside it upstream is asked."""
    inside = answer("alias.shop.svc" + ZONE, Type.A, directory)
    assert [r.type for r in inside.answers] == [Type.CNAME, Type.A]
    outside = answer("out.shop.svc" + ZONE, Type.A, directory)
    assert outside.forward == "example.com"
    assert answer("loop.shop.svc" + ZONE, Type.A, directory).rcode == Rcode.SERVFAIL


def test_reverse_names_of_services_and_endpoints(directory):
    """An address leads back to its names; a foreign one goes upstream."""
    assert [str(r.data) for r in answer("2.1.96.10.in-addr.arpa", Type.PTR, directory).answers] == [
        "web.shop.svc.cluster.local"
    ]
    names = {str(r.data) for r in answer("6.2.244.10.in-addr.arpa", Type.PTR, directory).answers}
    assert names == {"db-0.web.shop.svc.cluster.local", "db-0.db.shop.svc.cluster.local"}
    assert answer("8.8.8.8.in-addr.arpa", Type.PTR, directory).forward


def test_zone_transfers_are_refused(directory):
    """Nobody gets the zone whole."""
    assert answer("cluster.local", Type.AXFR, directory).rcode == Rcode.REFUSED


def test_unready_endpoints_have_no_address_unless_readiness_is_unknown():
    """Ready false hides an endpoint, nil counts as ready."""
    record = describe(
        service("db", cluster_ip="None"),
        [slice_of(endpoint("10.0.0.1", ready=False), endpoint("10.0.0.2", ready=None))],
    )
    assert [str(e.address) for e in record.endpoints] == ["10.0.0.2"]


def test_dropping_a_service_forgets_its_reverse_names(directory):
    """Nothing of a dropped Service is left in the directory."""
    for key in list(directory.services):
        directory.drop(key)
    assert directory.services == {}
    assert directory.reverse == {}


def _ask(name: str, type_name: str, directory: Directory, *, tcp: bool = False) -> object:
    from dnslib import DNSRecord

    packet = DNSRecord.question(name, type_name).pack()
    question = wire.parse(packet)
    assert question is not None
    reply = answer(question.name, question.type, directory)
    return DNSRecord.parse(wire.respond(question, reply, domain="cluster.local", tcp=tcp))


def test_the_askers_case_comes_back(directory):
    """Resolvers that mix case on purpose (0x20) find their own spelling in the answer."""
    message = _ask("wEb.ShOp.svc.Cluster.local", "A", directory)
    assert bytes(message.q.qname.label[0]) == b"wEb"
    assert bytes(message.rr[0].rname.label[1]) == b"ShOp"
    assert message.header.aa == 1


def test_long_answers_are_truncated_by_udp_and_whole_by_tcp():
    """More than 512 bytes without EDNS come back truncated; TCP gets them all."""
    directory = Directory("cluster.local", namespaces={"shop"})
    many = [endpoint(f"10.244.{n // 250}.{n % 250 + 1}") for n in range(100)]
    directory.put(describe(service("db", cluster_ip="None"), [slice_of(*many)]))
    by_udp = _ask("db.shop.svc.cluster.local", "A", directory)
    assert (by_udp.header.tc, len(by_udp.rr)) == (1, 0)
    by_tcp = _ask("db.shop.svc.cluster.local", "A", directory, tcp=True)
    assert (by_tcp.header.tc, len(by_tcp.rr)) == (0, 100)


@given(st.ip_addresses())
def test_every_address_is_found_by_its_reverse_name(address):
    """A PTR question for any Service address leads to the Service."""
    directory = Directory("cluster.local", namespaces={"shop"})
    directory.put(describe(service("web", cluster_ips=[str(address)]), []))
    reply = answer(ip_address(str(address)).reverse_pointer, Type.PTR, directory)
    assert [str(r.data) for r in reply.answers] == ["web.shop.svc.cluster.local"]
