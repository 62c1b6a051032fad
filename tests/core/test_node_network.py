"""The underlay as data."""

from ipaddress import IPv4Address, IPv4Network
from pathlib import PurePosixPath

import pytest

from netemu.core import names, node_network
from netemu.core.netstate import NetState, diff
from netemu.errors import UserError
from netemu.model.settings import ClusterSettings, NodeSettings


def settings(*nodes: str, name: str = "lab") -> ClusterSettings:
    return ClusterSettings(
        name=name,
        underlay=IPv4Network("198.18.0.0/24"),
        nodes=tuple(
            NodeSettings(name=node, address=IPv4Address(f"198.18.0.{11 + n}"))
            for n, node in enumerate(nodes)
        ),
        state_dir=PurePosixPath("/s"),
        run_dir=PurePosixPath("/r"),
    )


@pytest.mark.parametrize(
    ("taken", "chosen"),
    [
        ([], "198.18.0.0/24"),
        (["0.0.0.0/0", "10.0.0.0/8", "192.168.1.0/24"], "198.18.0.0/24"),
        (["0.0.0.0/1", "128.0.0.0/1"], "198.18.0.0/24"),
        (["198.18.0.0/24", "198.18.1.0/24"], "198.18.2.0/24"),
        (["198.18.0.7/32"], "198.18.1.0/24"),
        (["198.18.0.0/16"], "198.19.0.0/24"),
    ],
)
def test_the_first_free_underlay_is_chosen(taken: list[str], chosen: str) -> None:
    """Other clusters and the host's own networks are in the way; wider routes are not."""
    assert node_network.choose_underlay(map(IPv4Network, taken)) == IPv4Network(chosen)


def test_no_free_underlay_is_the_users_business() -> None:
    """A host that uses the whole pool must be told another range."""
    with pytest.raises(UserError, match="name one that is with `underlay:`"):
        node_network.choose_underlay([IPv4Network("198.18.0.0/15")])


def test_the_switch_has_a_cable_to_the_host_and_to_each_node() -> None:
    """All far ends lie elsewhere, all near ends are ports, and names fit the kernel."""
    links = node_network.plan_switch(settings("control-plane", "worker-1")).links
    peers = [link.peer for link in links if link.peer]
    assert [(peer.netns, peer.name) for peer in peers] == [
        ("host", names.host_link("lab")),
        ("control-plane", "eth0"),
        ("worker-1", "eth0"),
    ]
    assert all(link.master == "switch0" for link in links if link.peer)
    assert all(len(link.name) <= 15 for link in links)
    assert len({peer.mac for peer in peers}) == 3


def test_two_clusters_share_no_name_on_the_host() -> None:
    """The host's link bears a hash of the cluster and, in its alias, the full name."""
    one, other = (
        node_network.plan_host(settings("n", name=name)).links[0] for name in ("lab", "lab-2")
    )
    assert one.name != other.name
    assert one.alias == "netemu-lab-underlay"


def test_a_node_routes_everything_into_the_dead_end() -> None:
    """Its default route leads to the switch, which does not forward, and never to the host."""
    made = settings("worker-1")
    routes = [str(c) for c in diff(node_network.plan_node(made, made.nodes[0]), NetState())]
    assert "ip route replace default via 198.18.0.2 dev eth0" in routes
    assert "sysctl -w net.ipv4.ip_forward=1" in routes
    dead_end = [str(c) for c in diff(node_network.plan_switch(made), NetState())]
    assert "sysctl -w net.ipv4.ip_forward=0" in dead_end
