"""Whatever happens to Services and slices, changing step by step ends where starting anew does."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network

from hypothesis import given, settings
from hypothesis import strategies as st

from netemu.core.proxy.contract import ProxyConfig, ProxyNode, ProxyState
from netemu.core.proxy.modes.iptables import MODE
from netemu.core.proxy.tracker import ServiceTracker
from netemu.model.core_v1 import Service
from netemu.model.core_v1.service import ServicePort, ServiceSpec
from netemu.model.discovery_v1 import Endpoint, EndpointConditions, EndpointPort, EndpointSlice
from netemu.model.keys import ObjectKey
from netemu.model.meta_v1 import ObjectMeta

NODE = ProxyNode(name="n0", address=IPv4Address("198.18.0.11"))
CONFIG = ProxyConfig(cluster_cidr=IPv4Network("10.244.0.0/16"), large_cluster_endpoints=6)

names = st.integers(0, 3)
services = st.builds(
    lambda n, ports, internal, external, affinity: Service(
        metadata=ObjectMeta(name=f"s{n}", namespace="t"),
        spec=ServiceSpec(
            cluster_ip=f"10.96.0.{n + 1}",
            type="NodePort",
            ports=[
                ServicePort(name=f"p{p}", port=p, protocol="TCP", node_port=30000 + 10 * n + p)
                for p in ports
            ],
            internal_traffic_policy=internal,
            external_traffic_policy=external,
            session_affinity=affinity,
        ),
    ),
    names,
    st.lists(st.integers(1, 3), unique=True, max_size=3),
    st.sampled_from(["Cluster", "Local"]),
    st.sampled_from(["Cluster", "Local"]),
    st.sampled_from(["None", "ClientIP"]),
)
endpoints = st.builds(
    lambda a, node, ready, ending: Endpoint(
        addresses=[f"10.244.0.{a}"],
        node_name=node,
        conditions=EndpointConditions(ready=ready, serving=True, terminating=ending),
    ),
    st.integers(2, 6),
    st.sampled_from(["n0", "n1", None]),
    st.booleans(),
    st.booleans(),
)
slices = st.builds(
    lambda n, which, ports, found: EndpointSlice(
        metadata=ObjectMeta(
            name=f"s{n}-{which}", namespace="t", labels={"kubernetes.io/service-name": f"s{n}"}
        ),
        address_type="IPv4",
        ports=[EndpointPort(name=f"p{p}", port=8000 + p, protocol="TCP") for p in ports],
        endpoints=found,
    ),
    names,
    st.integers(0, 1),
    st.lists(st.integers(1, 3), unique=True, max_size=3),
    st.lists(endpoints, max_size=4),
)
steps = st.one_of(
    services, slices, st.tuples(st.just("service"), names), st.tuples(st.just("slice"), slices)
)


@dataclass
class World:
    """The objects that there are."""

    services: dict[ObjectKey, Service] = field(default_factory=dict)
    slices: dict[str, EndpointSlice] = field(default_factory=dict)

    def tracker(self) -> ServiceTracker:
        fresh = ServiceTracker()
        for piece in self.slices.values():
            fresh.set_slice(piece)
        for service in self.services.values():
            fresh.set_service(service)
        return fresh


def _do(step, tracker: ServiceTracker, world: World) -> None:
    match step:
        case Service() as service:
            tracker.set_service(service)
            world.services[ObjectKey("t", service.metadata.name)] = service
        case EndpointSlice() as piece:
            tracker.set_slice(piece)
            world.slices[piece.metadata.name] = piece
        case ("service", number):
            tracker.delete_service(ObjectKey("t", f"s{number}"))
            world.services.pop(ObjectKey("t", f"s{number}"), None)
        case (_, piece):
            tracker.delete_slice(piece)
            world.slices.pop(piece.metadata.name, None)


def _plan(tracker: ServiceTracker) -> ProxyState:
    return MODE.plan(tracker.table(), NODE, CONFIG)


@settings(max_examples=300, deadline=None)
@given(history=st.lists(steps, max_size=12))
def test_step_by_step_ends_where_starting_anew_does(history: list) -> None:
    """The tracker's table and the memory of rendered rules never lag behind."""
    tracker, world = ServiceTracker(), World()
    for step in history:
        _do(step, tracker, world)
        assert _plan(tracker) == _plan(world.tracker())
