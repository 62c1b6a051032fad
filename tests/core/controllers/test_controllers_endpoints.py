"""EndpointSlice, Endpoints and mirroring: which Pods are backends, and how they are packed."""

import pytest

from netemu.core.control.commands import Create, Delete, Update
from netemu.core.controllers import endpoints, endpointslice, endpointslicemirroring
from netemu.core.controllers.endpointslice.packing import pack
from netemu.model.clock import format_time
from netemu.model.core_v1 import (
    Container,
    ContainerPort,
    EndpointAddress,
    EndpointPort,
    Endpoints,
    EndpointSubset,
    Node,
    Pod,
    PodCondition,
    PodIP,
    PodSpec,
    PodStatus,
    Service,
    ServicePort,
    ServiceSpec,
)
from netemu.model.discovery_v1 import Endpoint, EndpointSlice
from netemu.model.keys import ObjectKey, key_of
from netemu.model.meta_v1 import ObjectMeta

KEY = ObjectKey("default", "web")
LABELS = {"app": "web"}


def add_service(world, ports=None, labels=None, **spec):
    spec.setdefault("selector", dict(LABELS))
    return world.add(
        Service(
            metadata=ObjectMeta(name="web", namespace="default", labels=labels or {}),
            spec=ServiceSpec(ports=ports or [ServicePort(port=80, target_port=8080)], **spec),
        )
    )


def add_pod(world, name, ip, ready=True, port=8080, node="n1", **spec):
    condition = PodCondition(
        type="Ready",
        status="True" if ready else "False",
        last_transition_time=format_time(world.now),
    )
    ports = [ContainerPort(name="http", container_port=port)]
    return world.add(
        Pod(
            metadata=ObjectMeta(name=name, namespace="default", labels=dict(LABELS)),
            spec=PodSpec(node_name=node, containers=[Container(name="c", ports=ports)], **spec),
            status=PodStatus(
                phase="Running", pod_ip=ip, pod_ips=[PodIP(ip=ip)], conditions=[condition]
            ),
        )
    )


def settle(world):
    world.settle(endpointslice.CONTROLLER, KEY)
    return world.all(EndpointSlice)


def test_a_service_without_pods_has_a_placeholder(world):
    """One empty slice, with the labels by which it is found, and it stays one."""
    add_service(world, labels={"team": "a"})
    (only,) = settle(world)
    assert only.endpoints == []
    assert only.metadata.labels == {
        "team": "a",
        "kubernetes.io/service-name": "web",
        "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
    }
    assert only.metadata.owner_references[0].kind == "Service"
    pod = add_pod(world, "a", "10.244.1.2")
    (full,) = settle(world)
    assert [e.addresses for e in full.endpoints] == [["10.244.1.2"]]
    world.remove(pod)
    (empty,) = settle(world)
    assert empty.endpoints == []


def test_conditions_tell_ready_serving_and_terminating(world):
    """A Pod on its way out serves and is not ready; others are what their probe says."""
    add_service(world)
    add_pod(world, "a", "10.244.1.2")
    add_pod(world, "b", "10.244.1.3", ready=False)
    going = add_pod(world, "c", "10.244.1.4")
    going.metadata.deletion_timestamp = format_time(world.now)
    finished = add_pod(world, "d", "10.244.1.5")
    world.change(finished, phase="Succeeded")
    (one,) = settle(world)
    found = {
        e.target_ref.name: (e.conditions.ready, e.conditions.serving, e.conditions.terminating)
        for e in one.endpoints
    }
    assert found == {
        "a": (True, True, False),
        "b": (False, False, False),
        "c": (False, True, True),
    }


def test_publish_not_ready_addresses(world):
    """Then everybody is ready."""
    add_service(world, publish_not_ready_addresses=True)
    add_pod(world, "a", "10.244.1.2", ready=False)
    (one,) = settle(world)
    assert one.endpoints[0].conditions.ready is True
    assert one.endpoints[0].conditions.serving is False


def test_named_ports_that_differ_make_slices_of_their_own(world):
    """Pods that resolve the port to other numbers are in other slices; without it, nowhere."""
    add_service(world, ports=[ServicePort(name="web", port=80, target_port="http")])
    add_pod(world, "a", "10.244.1.2", port=8080)
    add_pod(world, "b", "10.244.1.3", port=9090)
    slices = settle(world)
    assert {s.ports[0].port: s.endpoints[0].target_ref.name for s in slices} == {
        8080: "a",
        9090: "b",
    }


def test_zone_hostname_and_hints(world):
    """From the Node's label, the Pod's subdomain and the Service's wish."""
    world.add(Node(metadata=ObjectMeta(name="n1", labels={"topology.kubernetes.io/zone": "z1"})))
    add_service(world, cluster_ip="None", traffic_distribution="PreferClose")
    add_pod(world, "a", "10.244.1.2", hostname="db-0", subdomain="web")
    (one,) = settle(world)
    (endpoint,) = one.endpoints
    assert (endpoint.zone, endpoint.hostname, endpoint.node_name) == ("z1", "db-0", "n1")
    assert [zone.name for zone in endpoint.hints.for_zones] == ["z1"]
    assert one.metadata.labels["service.kubernetes.io/headless"] == ""


def test_a_headless_service_may_have_no_ports(world):
    """Its Pods are listed all the same."""
    add_service(world, cluster_ip="None")
    world.all(Service)[0].spec.ports = []
    add_pod(world, "a", "10.244.1.2")
    (one,) = settle(world)
    assert one.ports == []
    assert len(one.endpoints) == 1


def test_a_change_of_one_pod_is_one_write(world):
    """And no change is none."""
    add_service(world)
    for number in range(5):
        add_pod(world, f"p{number}", f"10.244.1.{number + 2}")
    settle(world)
    assert world.decide(endpointslice.CONTROLLER, KEY) == []
    world.remove(world.all(Pod)[0])
    (command,) = world.decide(endpointslice.CONTROLLER, KEY)
    assert isinstance(command, Update)
    assert len(command.object.endpoints) == 4


def test_slices_of_a_service_that_is_gone_are_deleted(world):
    """The garbage collector would, too; this is faster."""
    service = add_service(world)
    settle(world)
    world.remove(service)
    assert [type(c) for c in world.decide(endpointslice.CONTROLLER, KEY)] == [Delete]


def test_services_without_selector_are_left_alone(world):
    """Their slices are somebody else's."""
    add_service(world, selector={})
    assert settle(world) == []


def _endpoint(number):
    return Endpoint(addresses=[f"10.0.{number // 250}.{number % 250}"])


def _slice(name, numbers):
    return EndpointSlice(
        metadata=ObjectMeta(name=name), endpoints=[_endpoint(number) for number in numbers]
    )


def test_packing_splits_at_a_hundred():
    """250 endpoints: two full slices and a half one."""
    packing = pack([_endpoint(n) for n in range(250)], [])
    assert [len(content) for content in packing.created] == [100, 100, 50]


def test_packing_fills_slices_that_are_rewritten_anyway():
    """What replaces a stale endpoint goes into its slice, the others stay untouched."""
    existing = [_slice("a", range(50)), _slice("b", range(50, 100))]
    desired = [_endpoint(n) for n in [*range(49), *range(50, 100), 200]]
    packing = pack(desired, existing)
    assert set(packing.contents) == {"a"}
    assert packing.contents["a"][-1] == _endpoint(200)
    assert packing.created == []


def test_packing_prefers_one_slice_that_takes_all_the_rest():
    """The fullest that fits; if none fits, a new one."""
    existing = [_slice("a", range(95)), _slice("b", range(100, 120))]
    present = [*range(95), *range(100, 120)]
    few = pack([_endpoint(n) for n in [*present, 300, 301]], existing)
    assert set(few.contents) == {"a"}
    more = pack([_endpoint(n) for n in [*present, *range(300, 310)]], existing)
    assert set(more.contents) == {"b"}
    many = pack([_endpoint(n) for n in [*present, *range(300, 390)]], existing)
    assert not many.contents
    assert [len(content) for content in many.created] == [90]


def test_endpoints_list_ready_and_not_ready(world):
    """One subset a port set; terminating Pods are left out."""
    add_service(world, labels={"team": "a"})
    add_pod(world, "a", "10.244.1.2")
    add_pod(world, "b", "10.244.1.3", ready=False)
    add_pod(world, "c", "10.244.1.4").metadata.deletion_timestamp = format_time(world.now)
    world.settle(endpoints.CONTROLLER, KEY)
    current = world.get(Endpoints, KEY)
    (subset,) = current.subsets
    assert [a.ip for a in subset.addresses] == ["10.244.1.2"]
    assert [a.ip for a in subset.not_ready_addresses] == ["10.244.1.3"]
    assert subset.ports == [EndpointPort(port=8080, protocol="TCP")]
    assert current.metadata.labels == {
        "team": "a",
        "endpoints.kubernetes.io/managed-by": "endpoint-controller",
    }


def test_endpoints_are_truncated_at_a_thousand(world):
    """And say so."""
    add_service(world)
    for number in range(1001):
        add_pod(world, f"p{number}", f"10.244.{number // 250}.{number % 250 + 1}")
    world.settle(endpoints.CONTROLLER, KEY)
    current = world.get(Endpoints, KEY)
    assert len(current.subsets[0].addresses) == 1000
    over = current.metadata.annotations["endpoints.kubernetes.io/over-capacity"]
    assert over == "truncated"


def test_endpoints_without_their_service_go_if_they_are_ours(world):
    """What a user wrote before the Service exists stays."""
    service = add_service(world)
    world.settle(endpoints.CONTROLLER, KEY)
    world.remove(service)
    world.settle(endpoints.CONTROLLER, KEY)
    assert world.all(Endpoints) == []
    world.add(Endpoints(metadata=ObjectMeta(name="web", namespace="default")))
    assert world.decide(endpoints.CONTROLLER, KEY) == []


@pytest.fixture
def written_by_hand(world):
    add_service(world, selector={})
    subset = EndpointSubset(
        addresses=[EndpointAddress(ip="192.0.2.1")],
        not_ready_addresses=[EndpointAddress(ip="192.0.2.2")],
        ports=[EndpointPort(port=5432, protocol="TCP")],
    )
    meta = ObjectMeta(name="web", namespace="default")
    return world.add(Endpoints(metadata=meta, subsets=[subset]))


def test_endpoints_of_users_are_mirrored(world, written_by_hand):
    """Ready and not ready in one slice that the Endpoints own."""
    world.settle(endpointslicemirroring.CONTROLLER, KEY)
    (mirror,) = world.all(EndpointSlice)
    assert [(e.addresses, e.conditions.ready) for e in mirror.endpoints] == [
        (["192.0.2.1"], True),
        (["192.0.2.2"], False),
    ]
    assert mirror.metadata.owner_references[0].kind == "Endpoints"
    assert mirror.ports[0].port == 5432
    assert world.decide(endpointslicemirroring.CONTROLLER, KEY) == []
    world.remove(world.get(Service, KEY))
    world.settle(endpointslicemirroring.CONTROLLER, KEY)
    assert world.all(EndpointSlice) == []


def test_endpoints_that_ask_not_to_be_mirrored_are_not(world, written_by_hand):
    """The API server's own, for one."""
    written_by_hand.metadata.labels["endpointslice.kubernetes.io/skip-mirror"] = "true"
    assert world.decide(endpointslicemirroring.CONTROLLER, KEY) == []


def test_only_the_service_controller_touches_its_slices(world):
    """A slice that a user made for the Service is not counted in."""
    add_service(world)
    foreign = _slice("mine", range(2))
    foreign.metadata.namespace = "default"
    foreign.metadata.labels = {"kubernetes.io/service-name": "web"}
    world.add(foreign)
    (command,) = world.decide(endpointslice.CONTROLLER, KEY)
    assert isinstance(command, Create)
    assert key_of(foreign) == ObjectKey("default", "mine")


def test_addresses_that_are_none_are_left_out(world):
    """One bad Pod does not keep the others from being found."""
    add_service(world)
    add_pod(world, "a", "10.244.1.2")
    add_pod(world, "b", "10.244.1.300")
    (one,) = settle(world)
    assert [e.addresses for e in one.endpoints] == [["10.244.1.2"]]
