"""Requests about links: make, change, delete, look. What they mean is in core/netstate.py."""

from __future__ import annotations

import socket
from collections.abc import Callable
from ipaddress import IPv4Address
from typing import Any

from netemu.core.netstate import Link, Vxlan
from netemu.host import messages
from netemu.host.netlink import (
    GONE,
    NLM_F_ACK,
    NLM_F_CREATE,
    NLM_F_DUMP,
    NLM_F_EXCL,
    Request,
    request,
)

_RTM_NEWLINK = 16
_RTM_DELLINK = 17
_RTM_GETLINK = 18
_IFF_UP = 1
_HAIRPIN = "IFLA_BRPORT_MODE"

Attribute = tuple[str, Any]


def create(link: Link, *, index_of: Callable[[str], int], peer_netns: int = -1) -> Request:
    """Make the link, down. `peer_netns` is the descriptor of a veth's far namespace."""
    info: list[Attribute] = [("IFLA_INFO_KIND", link.kind)]
    if link.vxlan:
        info.append(("IFLA_INFO_DATA", {"attrs": _vxlan_attributes(link.vxlan, index_of)}))
    if link.peer:
        far: list[Attribute] = [("IFLA_IFNAME", link.peer.name), *_one_queue()]
        if link.peer.mac:
            far.append(("IFLA_ADDRESS", link.peer.mac))
        if link.mtu:
            far.append(("IFLA_MTU", link.mtu))
        far.append(("IFLA_NET_NS_FD", peer_netns))
        info.append(("IFLA_INFO_DATA", {"attrs": [("VETH_INFO_PEER", {"attrs": far})]}))
    attributes = [
        ("IFLA_IFNAME", link.name),
        *_one_queue(link.kind),
        *_settable(link),
        ("IFLA_LINKINFO", {"attrs": info}),
    ]
    message = _message(attributes)
    return request(f"ip link add {link.name}", _RTM_NEWLINK, message, flags=_NEW)


def cable(
    name: str, *, alias: str, master: int, mtu: int, far_name: str, far_mac: str, far_netns: int
) -> Request:
    """Make a veth that is up and plugged into the bridge of index `master`, in one request.

    Its far end comes to lie, down, in the namespace of descriptor `far_netns`.
    """
    far: list[Attribute] = [
        ("IFLA_IFNAME", far_name),
        ("IFLA_ADDRESS", far_mac),
        ("IFLA_MTU", mtu),
        *_one_queue(),
        ("IFLA_NET_NS_FD", far_netns),
    ]
    data = {"attrs": [("VETH_INFO_PEER", {"attrs": far})]}
    info: list[Attribute] = [("IFLA_INFO_KIND", "veth"), ("IFLA_INFO_DATA", data)]
    attributes: list[Attribute] = [
        ("IFLA_IFNAME", name),
        ("IFLA_MTU", mtu),
        ("IFLA_MASTER", master),
        ("IFLA_IFALIAS", alias),
        *_one_queue(),
        ("IFLA_LINKINFO", {"attrs": info}),
    ]
    message = _message(attributes, up=True)
    return request(f"ip link add {name}", _RTM_NEWLINK, message, flags=_NEW)


def change(link: Link, index: int, *, master: int = 0) -> list[Request]:
    """Give a link that is there what is asked for it."""
    doing = f"ip link set {link.name}"
    attributes = _settable(link)
    if link.master:
        attributes.append(("IFLA_MASTER", master))
    message = _message(attributes, index=index, up=link.up)
    requests = [request(doing, _RTM_NEWLINK, message, flags=0)]
    return [*requests, hairpin(link.name)] if link.hairpin else requests


def hairpin(name: str) -> Request:
    """Let the bridge send a packet back through the port it came from."""
    data = {"attrs": [(_HAIRPIN, 1)]}
    info = [("IFLA_INFO_SLAVE_KIND", "bridge"), ("IFLA_INFO_SLAVE_DATA", data)]
    message = _message([("IFLA_IFNAME", name), ("IFLA_LINKINFO", {"attrs": info})])
    return request(f"bridge link set dev {name} hairpin on", _RTM_NEWLINK, message, flags=0)


def set_up(index: int) -> Request:
    message = _message([], index=index, up=True)
    return request("ip link set up", _RTM_NEWLINK, message, flags=0)


def put_in_group(name: str, group: int) -> Request:
    """Mark the link for `delete_group`; gone already is success."""
    message = _message([("IFLA_IFNAME", name), ("IFLA_GROUP", group)])
    doing = f"ip link set {name} group {group}"
    return request(doing, _RTM_NEWLINK, message, flags=0, forgiven=GONE)


def delete_group(group: int) -> Request:
    """Delete all links of the group at once: the kernel waits for its readers only once."""
    message = _message([("IFLA_GROUP", group)])
    return request(f"ip link del group {group}", _RTM_DELLINK, message, flags=0, forgiven=GONE)


def delete(name: str) -> Request:
    """Delete the link; gone already is success."""
    message = _message([("IFLA_IFNAME", name)])
    return request(f"ip link del {name}", _RTM_DELLINK, message, flags=0, forgiven=GONE)


def show(index: int) -> Request:
    return request("ip link show", _RTM_GETLINK, _message([], index=index), flags=NLM_F_ACK)


def show_ports(bridge: int) -> Request:
    """Ask for all ports of the bridge of that index."""
    message = _message([("IFLA_MASTER", bridge)])
    return request("ip link show master", _RTM_GETLINK, message, flags=NLM_F_DUMP)


def decode(data: bytes, *, name_of: Callable[[int], str]) -> Link:
    """Return what a link's message says."""
    message = messages.link_message(data)
    message.decode()
    info = message.get_attr("IFLA_LINKINFO")
    kind = (info and info.get_attr("IFLA_INFO_KIND")) or ""
    ours = info.get_attr("IFLA_INFO_DATA") if kind == "vxlan" else None
    port = info and info.get_attr("IFLA_INFO_SLAVE_DATA")
    master = message.get_attr("IFLA_MASTER")
    return Link(
        name=message.get_attr("IFLA_IFNAME"),
        kind=kind,
        mtu=message.get_attr("IFLA_MTU"),
        mac=message.get_attr("IFLA_ADDRESS") or "",
        up=bool(message["flags"] & _IFF_UP),
        master=name_of(master) if master else "",
        hairpin=bool(port is not None and port.get_attr(_HAIRPIN)),
        alias=message.get_attr("IFLA_IFALIAS") or "",
        vxlan=_vxlan(ours, name_of) if ours is not None else None,
    )


_NEW = NLM_F_CREATE | NLM_F_EXCL


def _message(attributes: list[Attribute], *, index: int = 0, up: bool | None = None) -> Any:
    message = messages.link_message()
    message["family"] = socket.AF_UNSPEC
    message["index"] = index
    message["attrs"] = attributes
    if up is not None:
        message["flags"] = _IFF_UP if up else 0
        message["change"] = _IFF_UP
    return message


def _settable(link: Link) -> list[Attribute]:
    found: list[Attribute] = []
    if link.mtu:
        found.append(("IFLA_MTU", link.mtu))
    if link.mac:
        found.append(("IFLA_ADDRESS", link.mac))
    if link.alias:
        found.append(("IFLA_IFALIAS", link.alias))
    return found


def _one_queue(kind: str = "veth") -> list[Attribute]:
    """A veth gets a queue for each core otherwise, and memory for each queue."""
    return [("IFLA_NUM_TX_QUEUES", 1), ("IFLA_NUM_RX_QUEUES", 1)] if kind == "veth" else []


def _vxlan_attributes(vxlan: Vxlan, index_of: Callable[[str], int]) -> list[Attribute]:
    return [
        ("IFLA_VXLAN_ID", vxlan.vni),
        ("IFLA_VXLAN_LINK", index_of(vxlan.device)),
        ("IFLA_VXLAN_LOCAL", str(vxlan.local)),
        ("IFLA_VXLAN_LEARNING", int(vxlan.learning)),
        ("IFLA_VXLAN_PORT", vxlan.port),
    ]


def _vxlan(data: Any, name_of: Callable[[int], str]) -> Vxlan:
    device = data.get_attr("IFLA_VXLAN_LINK")
    return Vxlan(
        vni=data.get_attr("IFLA_VXLAN_ID"),
        local=IPv4Address(data.get_attr("IFLA_VXLAN_LOCAL") or 0),
        device=name_of(device) if device else "",
        port=data.get_attr("IFLA_VXLAN_PORT"),
        learning=bool(data.get_attr("IFLA_VXLAN_LEARNING")),
    )
