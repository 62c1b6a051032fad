"""Node IPAM: each Node gets a /24 of the cluster's Pod addresses, once and for all.

All Nodes are one key: whoever hands out blocks must see all blocks that are
out. A Node of the cluster's plan gets the block of its place there, whichever
registers first, so that every `up` gives the same ranges; if that one is out, and
for any other Node, the next block follows the highest one in use, so that the
block of a Node that was just deleted is not given away at once.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from ipaddress import IPv4Network

from netemu.core.control.commands import NORMAL, Command, Emit, Say, Update
from netemu.core.control.contract import Controller, Reader, View, Watch
from netemu.model.core_v1 import Node
from netemu.model.keys import ObjectKey
from netemu.model.schema import copy_of
from netemu.model.settings import ClusterSettings

BLOCK_PREFIX_LENGTH = 24
_ALL_NODES = ObjectKey("", "")


def reconcile(_key: ObjectKey, view: View) -> Sequence[Command]:
    settings = view.environment.settings
    nodes = view.all(Node)
    taken = {block for node in nodes if (block := _block_of(node)) is not None}
    taken |= {node.pod_range for node in settings.nodes if node.pod_range is not None}
    commands: list[Command] = []
    for node in sorted(nodes, key=_by_age):
        if node.spec.pod_cidr or node.metadata.deletion_timestamp:
            continue
        block = _planned(settings, node.metadata.name, taken)
        block = block or next_block(settings.pod_cidr, taken, settings.service_cidr)
        if block is None:
            message = f"Node {node.metadata.name} status is now: CIDRNotAvailable"
            commands.append(Emit(Say(node, NORMAL, "CIDRNotAvailable", message)))
            continue
        taken.add(block)
        commands.append(Update(_with_block(node, block)))
    return commands


def _planned(
    settings: ClusterSettings, name: str, taken: Collection[IPv4Network]
) -> IPv4Network | None:
    """The block of the Node's place in the plan, if that can still be had."""
    place = next((n for n, node in enumerate(settings.nodes) if node.name == name), None)
    if place is None:
        return None
    block = _block(settings.pod_cidr, place)
    if block is None or block in taken or block.overlaps(settings.service_cidr):
        return None
    return block


def _block(cluster: IPv4Network, index: int) -> IPv4Network | None:
    length = max(BLOCK_PREFIX_LENGTH, cluster.prefixlen)
    address = int(cluster.network_address) + index * (1 << (32 - length))
    return IPv4Network((address, length)) if address <= int(cluster.broadcast_address) else None


def next_block(
    cluster: IPv4Network, taken: Iterable[IPv4Network], excluded: IPv4Network
) -> IPv4Network | None:
    """The next free block after the highest taken one, or the first free one; None if none is."""
    length = max(BLOCK_PREFIX_LENGTH, cluster.prefixlen)
    size = 1 << (32 - length)
    count = cluster.num_addresses // size
    first = int(cluster.network_address)
    indexes = {(int(block.network_address) - first) // size for block in taken}
    start = max((index for index in indexes if 0 <= index < count), default=-1) + 1
    for index in (*range(start, count), *range(min(start, count))):
        block = IPv4Network((first + index * size, length))
        if index not in indexes and not block.overlaps(excluded):
            return block
    return None


def _block_of(node: Node) -> IPv4Network | None:
    """What the Node has, if it is of a family that we hand out."""
    try:
        return IPv4Network(node.spec.pod_cidr)
    except ValueError:
        return None


def _by_age(node: Node) -> tuple[str, str]:
    return node.metadata.creation_timestamp or "", node.metadata.name


def _with_block(node: Node, block: IPv4Network) -> Node:
    assigned = copy_of(node)
    assigned.spec.pod_cidr = str(block)
    assigned.spec.pod_cidrs = [str(block)]
    return assigned


def _all_nodes(_node: Node, _reader: Reader) -> tuple[ObjectKey]:
    return (_ALL_NODES,)


CONTROLLER: Controller[ObjectKey] = Controller(
    name="nodeipam",
    component="cidrAllocator",
    watches=(
        Watch(Node, _all_nodes, matters=lambda old, new: old.spec.pod_cidr != new.spec.pod_cidr),
    ),
    reconcile=reconcile,
)
