"""Cluster addresses and node ports."""

from ipaddress import IPv4Address, IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netemu.core.apiserver.allocation import ServiceAllocator
from netemu.errors import ApiError
from netemu.model.core_v1 import Service, ServicePort, ServiceSpec
from netemu.model.meta_v1 import ObjectMeta
from netemu.model.schema import copy_of

NETWORK = IPv4Network("10.96.0.0/24")


def allocator(network=NETWORK, ports=range(30000, 32768)):
    return ServiceAllocator(network, ports)


def service(*ports, type="ClusterIP", ip="", **spec):
    ports = ports or (ServicePort(port=80, protocol="TCP"),)
    ips = [ip] if ip else []
    return Service(
        metadata=ObjectMeta(name="web", namespace="default"),
        spec=ServiceSpec(type=type, ports=list(ports), cluster_ip=ip, cluster_ips=ips, **spec),
    )


def lowest(_n):
    return 0


def texts(errors):
    return [str(error) for error in errors]


def test_addresses_are_drawn_from_the_upper_band():
    """The first 16 addresses of a /24 are for people who choose."""
    web = service()
    assert allocator().allocate(web, None, lowest) == []
    assert web.spec.cluster_ip == "10.96.0.17"
    assert web.spec.cluster_ips == ["10.96.0.17"]


def test_the_lower_band_is_drawn_from_last_and_then_the_range_is_full():
    """All 254 addresses are used, the static ones in the end."""
    one = allocator()
    given_out = []
    for _ in range(254):
        each = service()
        assert one.allocate(each, None, lowest) == []
        given_out.append(each.spec.cluster_ip)
    assert len(set(given_out)) == 254
    assert given_out[-1] == "10.96.0.16"
    with pytest.raises(ApiError, match="range is full") as caught:
        one.allocate(service(), None, lowest)
    assert caught.value.code == 500


def test_a_chosen_address_is_honoured_once():
    """The second Service that wants it is told."""
    one = allocator()
    assert one.allocate(service(ip="10.96.0.10"), None, lowest) == []
    assert texts(one.allocate(service(ip="10.96.0.10"), None, lowest)) == [
        (
            'spec.clusterIPs: Invalid value: ["10.96.0.10"]: failed to allocate IP 10.96.0.10: '
            "provided IP is already allocated"
        )
    ]


@pytest.mark.parametrize("ip", ["1.1.1.1", "10.96.0.0", "10.96.0.255"])
def test_an_address_outside_of_the_range_is_refused(ip):
    """The network's own and the broadcast address are outside, too."""
    assert texts(allocator().allocate(service(ip=ip), None, lowest)) == [
        (
            f'spec.clusterIPs: Invalid value: ["{ip}"]: failed to allocate IP {ip}: the provided IP '
            f"({ip}) is not in the valid range. The range of valid IPs is 10.96.0.0/24"
        )
    ]


def test_headless_and_external_services_get_no_address():
    """Nothing is drawn for `None`, nor for a CNAME."""
    one = allocator()
    headless, external = service(ip="None"), service(type="ExternalName")
    assert one.allocate(headless, None, lowest) == []
    assert one.allocate(external, None, lowest) == []
    assert (headless.spec.cluster_ip, external.spec.cluster_ip) == ("None", "")


def test_node_ports_are_drawn_above_the_static_band():
    """30000 to 30085 are left to people."""
    web = service(type="NodePort")
    allocator().allocate(web, None, lowest)
    assert web.spec.ports[0].node_port == 30086


def test_one_port_over_two_protocols_shares_a_node_port():
    """DNS needs the same number for UDP and TCP."""
    dns = service(
        ServicePort(name="u", port=53, protocol="UDP"),
        ServicePort(name="t", port=53, protocol="TCP"),
        ServicePort(name="m", port=9153, protocol="TCP"),
        type="NodePort",
    )
    allocator().allocate(dns, None, lowest)
    udp, tcp, metrics = (port.node_port for port in dns.spec.ports)
    assert udp == tcp != metrics


def test_a_taken_node_port_frees_what_was_taken_before_it():
    """All or nothing: the address chosen in the same breath is free again."""
    one = allocator()
    port = ServicePort(port=80, protocol="TCP", node_port=30080)
    assert one.allocate(service(port, type="NodePort"), None, lowest) == []
    second = service(copy_of(port), type="NodePort", ip="10.96.0.9")
    assert texts(one.allocate(second, None, lowest)) == [
        "spec.ports[0].nodePort: Invalid value: 30080: provided port is already allocated"
    ]
    assert one.allocate(service(ip="10.96.0.9"), None, lowest) == []


def test_a_node_port_out_of_range_is_told_the_range():
    """The text names the cluster's own range."""
    port = ServicePort(port=80, protocol="TCP", node_port=80)
    assert texts(allocator().allocate(service(port, type="NodePort"), None, lowest)) == [
        (
            "spec.ports[0].nodePort: Invalid value: 80: provided port is not in the valid range. "
            "The range of valid ports is 30000-32767"
        )
    ]


def test_what_a_type_no_longer_needs_is_free_again():
    """NodePort to ClusterIP gives the port back, and keeps the address."""
    one = allocator()
    old = service(type="NodePort")
    one.allocate(old, None, lowest)
    new = copy_of(old)
    new.spec.type, new.spec.ports[0].node_port = "ClusterIP", 0
    assert one.allocate(new, old, lowest) == []
    assert new.spec.cluster_ip == old.spec.cluster_ip
    port = ServicePort(port=80, protocol="TCP", node_port=old.spec.ports[0].node_port)
    assert one.allocate(service(port, type="NodePort"), None, lowest) == []


def test_an_external_name_gets_an_address_when_it_stops_being_one():
    """And gives it back on the way out."""
    one = allocator()
    old = service(type="ExternalName")
    new = service()
    assert one.allocate(new, old, lowest) == []
    assert new.spec.cluster_ip == "10.96.0.17"
    assert one.allocate(service(type="ExternalName"), new, lowest) == []
    assert one.allocate(service(ip="10.96.0.17"), None, lowest) == []


def test_a_local_load_balancer_gets_a_health_check_port():
    """It is a node port like the others."""
    web = service(type="LoadBalancer", external_traffic_policy="Local")
    allocator().allocate(web, None, lowest)
    assert (web.spec.ports[0].node_port, web.spec.health_check_node_port) == (30086, 30087)


def test_reverting_undoes_an_allocation():
    """A write that fails in the store leaves nothing behind."""
    one = allocator()
    old = service(ip="10.96.0.5")
    one.allocate(old, None, lowest)
    new = copy_of(old)
    new.spec.type = "NodePort"
    one.allocate(new, old, lowest)
    one.revert(new, old)
    again = service(type="NodePort")
    one.allocate(again, None, lowest)
    assert again.spec.ports[0].node_port == new.spec.ports[0].node_port
    assert texts(one.allocate(service(ip="10.96.0.5"), None, lowest))


def test_adopted_services_hold_what_they_say():
    """The allocator is rebuilt from the store at start."""
    one = allocator()
    one.adopt(service(ip="10.96.0.10"))
    assert texts(one.allocate(service(ip="10.96.0.10"), None, lowest))


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 10**6)), max_size=60))
def test_no_address_is_ever_held_twice(steps):
    """Whatever is drawn and released, in whatever order."""
    one = allocator(IPv4Network("10.0.0.0/28"))
    held = []
    for create, number in steps:
        if create or not held:
            each = service()
            try:
                one.allocate(each, None, lambda n, number=number: number % n)
            except ApiError:
                assert len(held) == 14
                continue
            assert each.spec.cluster_ip not in {h.spec.cluster_ip for h in held}
            assert IPv4Address(each.spec.cluster_ip) in IPv4Network("10.0.0.0/28")
            held.append(each)
        else:
            one.release(held.pop(number % len(held)))
