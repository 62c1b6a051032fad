"""What each overlay backend asks of a node's kernel, against golden files."""

from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest

from netemu import plugins
from netemu.core.netstate import NetState, diff
from netemu.core.overlay import backends
from netemu.core.overlay.contract import OverlayNode

GOLDEN = Path(__file__).parent / "golden"
NAMES = plugins.names(backends)


def node(number: int, kind: str) -> OverlayNode:
    return OverlayNode(
        name=f"node-{number}",
        address=IPv4Address(f"198.18.0.{10 + number}"),
        pod_range=IPv4Network(f"10.244.{number}.0/24"),
        backend=kind,
        mac=f"02:00:00:00:00:0{number}",
    )


@pytest.mark.parametrize("name", NAMES)
def test_the_plan_is_what_the_golden_file_says(name: str) -> None:
    """Node 0 of four; node 3 has announced nothing yet. Printed as the commands that do it."""
    backend = plugins.load_one(backends, name, "BACKEND")
    peers = [node(1, backend.kind), node(2, backend.kind), node(3, "")]
    changes = diff(backend.plan(node(0, backend.kind), peers), NetState())
    commands = "".join(f"{change}\n" for change in changes)
    assert commands == (GOLDEN / f"{name}.expected.txt").read_text()


@pytest.mark.parametrize("name", NAMES)
def test_a_backend_owns_all_that_it_plans(name: str) -> None:
    """What lies outside its scope would never be removed again."""
    backend = plugins.load_one(backends, name, "BACKEND")
    plan = backend.plan(node(0, backend.kind), [node(1, backend.kind)])
    scope = backend.scope(IPv4Network("10.244.0.0/16"))
    assert all(link.name in scope.links for link in plan.links)
    assert all(scope.covers(route) for route in plan.routes)
    hanging = [*plan.addresses, *plan.neighbours, *plan.forwarding]
    assert all(item.link in scope.links for item in hanging)


@pytest.mark.parametrize(("name", "mtu"), [("vxlan", 1450), ("host-gw", 1500), ("none", 1500)])
def test_what_wraps_costs_packet_size(name: str, mtu: int) -> None:
    """VXLAN takes 50 bytes of each packet, plain routes none."""
    assert plugins.load_one(backends, name, "BACKEND").mtu(1500) == mtu
