"""Settings with a node more or less, without power, or cut off."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from pathlib import PurePosixPath

import pytest

from netemu.core import node_changes, node_network
from netemu.core.control.contract import Timings, timings_of
from netemu.errors import UserError
from netemu.model.settings import ClusterSettings, NodeSettings

NODES = (
    NodeSettings(name="control-plane", address=IPv4Address("198.18.0.11"), control_plane=True),
    NodeSettings(name="worker-1", address=IPv4Address("198.18.0.12")),
    NodeSettings(name="worker-3", address=IPv4Address("198.18.0.14")),
)
SETTINGS = ClusterSettings(
    name="lab",
    underlay=IPv4Network("198.18.0.0/24"),
    nodes=NODES,
    state_dir=PurePosixPath("/var/lib/netemu/lab"),
    run_dir=PurePosixPath("/run/netemu/lab"),
)


def test_a_new_node_fills_the_first_gap() -> None:
    """Its name and its address are the lowest that nobody has."""
    node = node_changes.with_node(SETTINGS, "", role="edge", zone="a", labels={"x": "y"}).nodes[-1]
    assert (node.name, str(node.address)) == ("worker-2", "198.18.0.13")
    assert node.labels == {
        "x": "y",
        "topology.kubernetes.io/zone": "a",
        "node-role.kubernetes.io/edge": "",
    }


def test_what_is_done_and_undone_leaves_no_trace() -> None:
    """Add and remove, kill and start, cut and mend: the settings are as they were."""
    grown = node_changes.with_node(SETTINGS, "extra")
    assert node_changes.without_node(grown, "extra") == SETTINGS
    dead = node_changes.powered(SETTINGS, "worker-1", on=False)
    assert [node.name for node in dead.powered_nodes] == ["control-plane", "worker-3"]
    assert node_changes.powered(dead, "worker-1", on=True) == SETTINGS
    cut = node_changes.cabled(SETTINGS, "worker-1", plugged=False)
    assert [node.name for node in cut.reachable_nodes] == ["control-plane", "worker-3"]
    assert node_changes.cabled(cut, "worker-1", plugged=True) == SETTINGS


def test_nobody_reaches_a_control_plane_that_is_cut_off() -> None:
    """But for itself."""
    cut = node_changes.cabled(SETTINGS, "control-plane", plugged=False)
    assert [node.name for node in cut.reachable_nodes] == ["control-plane"]


def test_a_cut_cable_is_a_port_that_is_down_and_a_dead_node_has_none() -> None:
    """The switch as it should be."""
    cut = node_changes.cabled(SETTINGS, "worker-1", plugged=False)
    dead = node_changes.powered(cut, "worker-3", on=False)
    ports = {link.name: link.up for link in node_network.plan_switch(dead).links if link.peer}
    assert ports[node_network.port_name(SETTINGS, "worker-1")] is False
    assert ports[node_network.port_name(SETTINGS, "control-plane")] is True
    assert node_network.port_name(SETTINGS, "worker-3") not in ports


def test_a_pod_range_has_an_end() -> None:
    """Who has no range for pods would never be Ready."""
    small = replace(SETTINGS, pod_cidr=IPv4Network("10.244.0.0/22"))
    full = node_changes.with_node(small, "")
    with pytest.raises(UserError, match="has room for 4 nodes"):
        node_changes.with_node(full, "")


def test_a_shorter_grace_period_makes_all_clocks_of_failure_faster() -> None:
    """By the same share; a longer one makes only itself longer."""
    fast = timings_of(replace(SETTINGS, node_grace_s=4.0))
    assert (fast.node_grace_s, fast.node_monitor_period_s, fast.eviction_interval_s) == (4, 0.5, 1)
    assert fast.pod_gc_quarantine_s == 4
    slow = timings_of(replace(SETTINGS, node_grace_s=400.0))
    assert slow == Timings(node_grace_s=400.0)
