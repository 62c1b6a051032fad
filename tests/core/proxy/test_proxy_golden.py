"""Golden rule sets: one input, and one expected file for each mode that draws rules.

pytest tests/core/proxy --update-golden      rewrites them; review reads the difference
"""

from __future__ import annotations

from ipaddress import IPv4Address, ip_network
from pathlib import Path

import pytest

from netemu.core.netfilter import restore
from netemu.core.netfilter.save import normalised
from netemu.core.netfilter.tables import with_jumps
from netemu.core.proxy.contract import ProxyConfig, ProxyNode, ProxyState
from netemu.core.proxy.modes.iptables import MODE
from netemu.core.proxy.tracker import ServiceTracker
from netemu.model.codec import decode_manifest
from netemu.model.core_v1 import ConfigMap, Service
from netemu.model.discovery_v1 import EndpointSlice

GOLDEN = Path(__file__).parent / "golden"
CASES = sorted(path.name.removesuffix(".input.yaml") for path in GOLDEN.glob("*.input.yaml"))
NODE = IPv4Address("198.18.0.11")


def _plan(case: str) -> ProxyState:
    path = GOLDEN / f"{case}.input.yaml"
    tracker = ServiceTracker()
    options: dict[str, str] = {}
    for located in decode_manifest(path.read_text(), str(path)):
        match located.obj:
            case Service() as service:
                tracker.set_service(service)
            case EndpointSlice() as piece:
                tracker.set_slice(piece)
            case ConfigMap() as config:
                options = config.data
            case other:
                raise AssertionError(f"{path.name}: {type(other)} means nothing here")
    node = ProxyNode(name="worker-1", address=NODE, addresses=(NODE,), zone=options.get("zone", ""))
    return MODE.plan(tracker.table(), node, _config(options))


def _config(options: dict[str, str]) -> ProxyConfig:
    cluster = options.get("clusterCIDR", "10.244.0.0/16")
    ranges = options.get("nodePortAddresses", "").split()
    return ProxyConfig(
        cluster_cidr=ip_network(cluster) if cluster else None,
        masquerade_all=options.get("masqueradeAll") == "true",
        localhost_node_ports=options.get("localhostNodePorts") != "false",
        node_port_addresses=tuple(ip_network(text) for text in ranges),
        large_cluster_endpoints=int(options.get("largeClusterEndpoints", "1000")),
    )


@pytest.mark.parametrize("case", CASES)
def test_the_rules_are_the_expected_ones(case: str, update_golden: bool) -> None:
    """Each case's rules, in the order in which they are loaded."""
    state = _plan(case)
    rules = restore.render(state.tables, jumps=state.jumps)
    expected = GOLDEN / f"{case}.iptables.rules"
    if update_golden:
        expected.write_text(rules)
    assert rules == expected.read_text()


@pytest.mark.parametrize("case", CASES)
def test_every_jump_leads_somewhere(case: str) -> None:
    """Each target is a chain of the table that comes before, or iptables' own."""
    own = {"ACCEPT", "DROP", "REJECT", "RETURN", "MARK", "MASQUERADE", "DNAT", ""}
    for table, chains in _plan(case).tables.items():
        seen: set[str] = set()
        for chain, rules in chains.items():
            targets = {_target(rule) for rule in rules}
            assert targets <= seen | own, f"{table} {chain}"
            seen.add(chain)


def _target(rule: str) -> str:
    _, found, rest = rule.partition("-j ")
    return rest.split()[0] if found else ""


@pytest.mark.parametrize("case", CASES)
def test_chains_belong_to_the_mode(case: str) -> None:
    """What is planned is recognised as ours later, but for the kubelet's share."""
    for table, chains in _plan(case).tables.items():
        foreign = {chain for chain in chains if not MODE.owns(table, chain)}
        assert foreign <= {"KUBE-FIREWALL"}


def test_every_golden_file_has_its_input() -> None:
    """No expected file is left behind by a case that went."""
    outputs = {path.name.removesuffix(".iptables.rules") for path in GOLDEN.glob("*.rules")}
    assert outputs == set(CASES)


def test_jumps_do_not_disturb_the_tables() -> None:
    """With its jumps a plan is still the same plan, with built-in chains beside it."""
    state = _plan("cluster-ip")
    whole = normalised(with_jumps(state.tables, state.jumps))
    for table, chains in normalised(state.tables).items():
        assert chains.items() <= whole[table].items()
