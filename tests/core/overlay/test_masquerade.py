"""Which packets change their source at a node's border."""

from ipaddress import IPv4Address, IPv4Network

import pytest

from netemu.core.netfilter.rule import Rule, Where, parse
from netemu.core.overlay import masquerade

PLAN = masquerade.plan(
    cluster=IPv4Network("10.244.0.0/16"), mine=IPv4Network("10.244.1.0/24"), random_fully=True
)
POSTROUTING = [parse(rule) for rule in PLAN["nat"]["FLANNEL-POSTRTG"]]


def matches(where: Where | None, address: str) -> bool:
    return where is None or (IPv4Address(address) in where.network) != where.negated


def verdict(rules: list[Rule], source: str, destination: str) -> str:
    """Walk an unmarked packet through the chain."""
    for rule in rules:
        marked = any(match.name == "mark" for match in rule.matches)
        if not marked and matches(rule.source, source) and matches(rule.destination, destination):
            return rule.target
    return ""


@pytest.mark.parametrize(
    ("source", "destination", "target"),
    [
        ("10.244.1.2", "10.244.1.3", "RETURN"),  # Pods of this node.
        ("10.244.1.2", "10.244.2.3", "RETURN"),  # To a pod elsewhere.
        ("10.244.2.3", "10.244.1.2", "RETURN"),  # From one.
        ("198.18.0.1", "10.244.1.2", "RETURN"),  # The host to a pod of this node, by NodePort.
        ("10.244.1.2", "198.18.0.1", "MASQUERADE"),  # A pod to the host.
        ("10.244.1.2", "198.18.0.13", "MASQUERADE"),  # A pod to another node.
        ("10.244.1.2", "224.0.0.251", ""),  # Multicast stays as it is.
        ("198.18.0.12", "10.244.2.3", "MASQUERADE"),  # A node to a pod elsewhere.
        ("198.18.0.12", "198.18.0.13", ""),  # Nodes among themselves.
    ],
)
def test_packets_change_their_source_only_where_no_way_leads_back(
    source: str, destination: str, target: str
) -> None:
    """Among pods nobody's address changes; beyond them only nodes are known."""
    assert verdict(POSTROUTING, source, destination) == target


def test_what_kube_proxy_marked_is_left_to_it() -> None:
    """The first rule returns marked packets."""
    first = POSTROUTING[0]
    assert first.target == "RETURN"
    assert [match.name for match in first.matches] == ["mark"]


def test_old_programs_are_not_asked_for_random_ports() -> None:
    """iptables before 1.6.2 does not know the option."""
    plan = masquerade.plan(
        cluster=IPv4Network("10.244.0.0/16"), mine=IPv4Network("10.244.1.0/24"), random_fully=False
    )
    assert "--random-fully" not in "".join(plan["nat"]["FLANNEL-POSTRTG"])
    assert "--random-fully" in PLAN["nat"]["FLANNEL-POSTRTG"][-1]
