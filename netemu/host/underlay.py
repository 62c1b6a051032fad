"""The underlay on the real kernel: wire a cluster's nodes, find a free range, remove all again.

The order matters once: settings are written into every namespace before the cables
come, for a new link copies the namespace's `default` settings.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
from collections.abc import Iterable, Mapping
from ipaddress import IPv4Network

from netemu.core import names, node_network
from netemu.core.netstate import Change, Link, Mending, NetState, Scope, Verb, diff, mend
from netemu.errors import HostError
from netemu.host import bridge_filter, links, netns, routes, sysctl
from netemu.host.netlink import Netlink
from netemu.host.netns import Netns
from netemu.host.netstate import LinuxNetState
from netemu.host.pod_addresses import PodAddresses
from netemu.model.settings import ClusterSettings


async def wire(
    settings: ClusterSettings,
    *,
    switch: Netns,
    nodes: Mapping[str, Netns],
    host: Netns,
) -> None:
    """Cable the nodes and the host to the switch. What is there already stays as it is."""
    await asyncio.to_thread(_wire, settings, switch, nodes, host)


def _wire(
    settings: ClusterSettings, switch: Netns, nodes: Mapping[str, Netns], host: Netns
) -> None:
    host.call_sync(bridge_filter.require)
    for node in settings.powered_nodes:
        plan = node_network.plan_node(settings, node)
        nodes[node.name].call_sync(sysctl.write, sorted(plan.sysctls, key=str))
    peers = {name: space.path for name, space in nodes.items()}
    peers[node_network.HOST] = host.path
    spaces = {**nodes, node_network.HOST: host}
    plan = node_network.plan_switch(settings)
    try:
        _bring_to(switch, plan, peers=peers)
    except HostError as error:
        if error.errno != errno.EEXIST:
            raise
        _remove_loose_ends(switch, plan, spaces)
        _bring_to(switch, plan, peers=peers)
    for node in settings.powered_nodes:
        _bring_to(nodes[node.name], node_network.plan_node(settings, node))
    _bring_to(host, node_network.plan_host(settings))


async def unplug(settings: ClusterSettings, node: str, *, switch: Netns) -> None:
    """Remove a node's cable, both ends at once. Gone already is success."""
    await asyncio.to_thread(_unplug, node_network.port_name(settings, node), switch)


def _unplug(port: str, switch: Netns) -> None:
    with contextlib.closing(LinuxNetState(switch)) as state:
        state.apply([Change(Verb.DELETE, Link(name=port))])


async def withdraw_node(settings: ClusterSettings, node: str) -> None:
    """Take the names of a node that is no more, and of its pods, from `ip netns`."""
    await asyncio.to_thread(_withdraw_node, settings, node)


def _withdraw_node(settings: ClusterSettings, node: str) -> None:
    for lease in PodAddresses(str(settings.state_dir / "networks" / node)).all():
        netns.withdraw(lease.netns_name)
    netns.withdraw(names.node_netns(settings.name, node))


async def repair(
    settings: ClusterSettings, *, switch: Netns, nodes: Mapping[str, Netns]
) -> dict[str, Mending]:
    """Make again what is missing of the cables; return what was done and found, by place.

    Places are nodes, the switch and the host. A cable that was cut on purpose stays cut:
    the settings say so.
    """
    return await asyncio.to_thread(_repair, settings, switch, nodes)


def _repair(
    settings: ClusterSettings, switch: Netns, nodes: Mapping[str, Netns]
) -> dict[str, Mending]:
    host = Netns.open(f"/proc/{os.getpid()}/ns/net", name=node_network.HOST)
    try:
        peers = {name: space.path_by_thread() for name, space in nodes.items()}
        peers[node_network.HOST] = host.path_by_thread()
        plan = node_network.plan_switch(settings)
        found = {node_network.SWITCH: _mend(switch, plan, peers=peers)}
        plans = {
            node.name: (nodes[node.name], node_network.plan_node(settings, node))
            for node in settings.powered_nodes
            if node.name in nodes
        }
        plans[node_network.HOST] = (host, node_network.plan_host(settings))
        recabled = found[node_network.SWITCH].recabled
        for place, (space, wanted) in plans.items():
            if place in recabled:
                _bring_to(space, wanted)  # A new cable's far end is down, by nobody's wish.
            else:
                found[place] = _mend(space, wanted)
        return {place: mending for place, mending in found.items() if mending != Mending()}
    finally:
        host.close()


def _mend(space: Netns, desired: NetState, *, peers: Mapping[str, str] | None = None) -> Mending:
    with contextlib.closing(LinuxNetState(space)) as state:
        scope = Scope(links=frozenset(link.name for link in desired.links))
        mending = mend(desired, state.observe(scope))
        state.apply(mending.changes, peers=peers)
        return mending


def _remove_loose_ends(switch: Netns, plan: NetState, spaces: Mapping[str, Netns]) -> None:
    """Remove far ends of cables whose near end is not in this switch.

    The kernel takes its time to clear away a namespace whose last process has died; until
    then the cables of a switch that was there before hang on the host and the nodes.
    """
    with contextlib.closing(LinuxNetState(switch)) as state:
        scope = Scope(links=frozenset(link.name for link in plan.links))
        there = {link.name for link in state.observe(scope).links}
    for link in plan.links:
        if link.peer is not None and link.name not in there:
            with contextlib.closing(LinuxNetState(spaces[link.peer.netns])) as far:
                far.apply([Change(Verb.DELETE, Link(name=link.peer.name))])


def _bring_to(space: Netns, desired: NetState, *, peers: Mapping[str, str] | None = None) -> None:
    """Make the namespace hold what is desired, and leave alone what else it holds."""
    with contextlib.closing(LinuxNetState(space)) as state:
        scope = Scope(links=frozenset(link.name for link in desired.links))
        changes = diff(desired, state.observe(scope))
        additions = [change for change in changes if change.verb is not Verb.DELETE]
        state.apply(additions, peers=peers)


def taken_networks() -> frozenset[IPv4Network]:
    """Return what the host in this process' namespace routes or is itself a part of."""
    with contextlib.closing(Netlink.here(name="host")) as netlink:
        found = {
            routes.decode_address(data, name_of=netlink.name_of).address.network
            for data in netlink.dump(routes.list_addresses())
        }
        for data in netlink.dump(routes.list_routes()):
            if (destination := routes.decode_destination(data)) is not None:
                found.add(destination)
    return frozenset(found)


def free_underlay() -> IPv4Network:
    """Return the next /24 that no other cluster and nothing else on the host uses.

    Whoever asks holds a lock until the host's address on it is set, or another might
    be given the same.
    """
    return node_network.choose_underlay(taken_networks())


def remove_all(cluster: str, *, others: Iterable[str] = ()) -> None:
    """Remove the cluster's link and namespace names from the host, whoever made them.

    `others` are the clusters that stay: `lab-2` has names that begin like those of `lab`.
    Namespaces go when their last process does.
    """
    with contextlib.closing(Netlink.here(name="host")) as netlink:
        netlink.send([links.delete(names.host_link(cluster))])
    staying = set(others) - {cluster}
    prefixes = map(names.netns_prefix, staying)
    kept = tuple(prefix for prefix in prefixes if prefix.startswith(names.netns_prefix(cluster)))
    for name in netns.published(names.netns_prefix(cluster)):
        if not name.startswith(kept):
            netns.withdraw(name)
    netns.tidy()
    if not staying:
        bridge_filter.release()
