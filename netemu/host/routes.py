"""Requests about addresses, routes, neighbours and forwarding entries."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from typing import Any

from netemu.core.netstate import Address, ForwardingEntry, Neighbour, Route
from netemu.host import messages
from netemu.host.netlink import (
    GONE,
    NLM_F_CREATE,
    NLM_F_DUMP,
    NLM_F_EXCL,
    NLM_F_REPLACE,
    Request,
    request,
)

_RTM_NEWADDR, _RTM_DELADDR, _RTM_GETADDR = 20, 21, 22
_RTM_NEWROUTE, _RTM_DELROUTE, _RTM_GETROUTE = 24, 25, 26
_RTM_NEWNEIGH, _RTM_DELNEIGH, _RTM_GETNEIGH = 28, 29, 30

_TABLE_MAIN = 254
_PROTOCOL_KERNEL = 2
_PROTOCOL_BOOT = 3
_UNICAST = 1
_SCOPE_UNIVERSE = 0
_SCOPE_LINK = 253
_SCOPE_NOWHERE = 255
_ONLINK = 4
_PERMANENT = 0x80
_SELF = 0x02

NameOf = Callable[[int], str]


def add_address(item: Address, index: int) -> Request:
    """Add the address; there already is success."""
    message = _address_message(item.address, index)
    return request(
        f"ip {_words('addr add', item)}",
        _RTM_NEWADDR,
        message,
        flags=NLM_F_CREATE | NLM_F_EXCL,
        forgiven=frozenset({errno.EEXIST}),
    )


def delete_address(item: Address, index: int) -> Request:
    message = _address_message(item.address, index)
    doing = f"ip {_words('addr del', item)}"
    return request(doing, _RTM_DELADDR, message, flags=0, forgiven=GONE)


def replace_route(item: Route, index: int) -> Request:
    message = _route_message(item, index)
    flags = NLM_F_CREATE | NLM_F_REPLACE
    return request(f"ip {_words('route replace', item)}", _RTM_NEWROUTE, message, flags=flags)


def delete_route(item: Route, index: int) -> Request:
    message = _route_message(item, index)
    message["scope"] = _SCOPE_NOWHERE
    doing = f"ip {_words('route del', item)}"
    return request(doing, _RTM_DELROUTE, message, flags=0, forgiven=GONE)


def replace_neighbour(item: Neighbour, index: int) -> Request:
    message = _neighbour_message(socket.AF_INET, index, item.address, item.mac)
    flags = NLM_F_CREATE | NLM_F_REPLACE
    return request(f"ip {_words('neigh replace', item)}", _RTM_NEWNEIGH, message, flags=flags)


def delete_neighbour(item: Neighbour, index: int) -> Request:
    message = _neighbour_message(socket.AF_INET, index, item.address, item.mac)
    doing = f"ip {_words('neigh del', item)}"
    return request(doing, _RTM_DELNEIGH, message, flags=0, forgiven=GONE)


def replace_forwarding(item: ForwardingEntry, index: int) -> Request:
    message = _neighbour_message(socket.AF_BRIDGE, index, item.destination, item.mac)
    message["flags"] = _SELF
    flags = NLM_F_CREATE | NLM_F_REPLACE
    return request(f"bridge {_words('fdb replace', item)}", _RTM_NEWNEIGH, message, flags=flags)


def delete_forwarding(item: ForwardingEntry, index: int) -> Request:
    message = _neighbour_message(socket.AF_BRIDGE, index, item.destination, item.mac)
    message["flags"] = _SELF
    doing = f"bridge {_words('fdb del', item)}"
    return request(doing, _RTM_DELNEIGH, message, flags=0, forgiven=GONE)


def list_addresses() -> Request:
    return request("ip addr", _RTM_GETADDR, _empty_address_message(), flags=NLM_F_DUMP)


def list_routes() -> Request:
    message = messages.route_message()
    message["family"] = socket.AF_INET
    return request("ip route", _RTM_GETROUTE, message, flags=NLM_F_DUMP)


def list_neighbours(index: int) -> Request:
    return _list_neighbours("ip neigh", socket.AF_INET, index)


def list_forwarding(index: int) -> Request:
    return _list_neighbours("bridge fdb", socket.AF_BRIDGE, index)


def decode_address(data: bytes, *, name_of: NameOf) -> Address:
    message = messages.address_message(data)
    message.decode()
    address = message.get_attr("IFA_LOCAL") or message.get_attr("IFA_ADDRESS")
    interface = IPv4Interface((address, message["prefixlen"]))
    return Address(link=name_of(message["index"]), address=interface)


def decode_route(data: bytes, *, name_of: NameOf) -> Route | None:
    """Return a route of the main table that somebody set; not those that come with addresses."""
    message = messages.route_message(data)
    message.decode()
    if message["table"] != _TABLE_MAIN or message["type"] != _UNICAST:
        return None
    index = message.get_attr("RTA_OIF")
    if message["proto"] == _PROTOCOL_KERNEL or not index:
        return None
    via = message.get_attr("RTA_GATEWAY")
    return Route(
        destination=IPv4Network((message.get_attr("RTA_DST") or 0, message["dst_len"])),
        link=name_of(index),
        via=IPv4Address(via) if via else None,
        onlink=bool(message["flags"] & _ONLINK),
    )


def decode_destination(data: bytes) -> IPv4Network | None:
    """Return where a route of the main table leads, whoever set it."""
    message = messages.route_message(data)
    message.decode()
    if message["table"] != _TABLE_MAIN:
        return None
    return IPv4Network((message.get_attr("RTA_DST") or 0, message["dst_len"]))


def decode_neighbour(data: bytes, *, link: str, index: int) -> Neighbour | None:
    """Return a permanent neighbour of the link; the others come and go by themselves."""
    message = _neighbour(data)
    mac = message.get_attr("NDA_LLADDR")
    if message["ifindex"] != index or not message["state"] & _PERMANENT or not mac:
        return None
    return Neighbour(link=link, address=IPv4Address(message.get_attr("NDA_DST")), mac=mac)


def decode_forwarding(data: bytes, *, link: str, index: int) -> ForwardingEntry | None:
    message = _neighbour(data)
    destination = message.get_attr("NDA_DST")
    if message["ifindex"] != index or not message["flags"] & _SELF or not destination:
        return None
    mac = message.get_attr("NDA_LLADDR")
    return ForwardingEntry(link=link, mac=mac, destination=IPv4Address(destination))


def _words(command: str, item: object) -> str:
    return f"{command} {str(item).partition(' ')[2]}"


def _empty_address_message() -> Any:
    message = messages.address_message()
    message["family"] = socket.AF_INET
    return message


def _address_message(address: IPv4Interface, index: int) -> Any:
    message = _empty_address_message()
    message["prefixlen"] = address.network.prefixlen
    message["index"] = index
    message["attrs"] = [("IFA_LOCAL", str(address.ip)), ("IFA_ADDRESS", str(address.ip))]
    if address.network.prefixlen < 31:
        broadcast = str(address.network.broadcast_address)
        message["attrs"].append(("IFA_BROADCAST", broadcast))
    return message


def _route_message(item: Route, index: int) -> Any:
    message = messages.route_message()
    message["family"] = socket.AF_INET
    message["dst_len"] = item.destination.prefixlen
    message["table"] = _TABLE_MAIN
    message["proto"] = _PROTOCOL_BOOT
    message["type"] = _UNICAST
    message["scope"] = _SCOPE_UNIVERSE if item.via else _SCOPE_LINK
    message["flags"] = _ONLINK if item.onlink else 0
    attributes: list[tuple[str, Any]] = [("RTA_OIF", index)]
    if item.destination.prefixlen:
        attributes.append(("RTA_DST", str(item.destination.network_address)))
    if item.via:
        attributes.append(("RTA_GATEWAY", str(item.via)))
    message["attrs"] = attributes
    return message


def _neighbour_message(family: int, index: int, address: IPv4Address, mac: str) -> Any:
    message = messages.neighbour_message()
    message["family"] = family
    message["ifindex"] = index
    message["state"] = _PERMANENT
    message["attrs"] = [("NDA_DST", str(address)), ("NDA_LLADDR", mac)]
    return message


def _list_neighbours(doing: str, family: int, index: int) -> Request:
    message = messages.neighbour_message()
    message["family"] = family
    message["attrs"] = [("NDA_IFINDEX", index)]
    return request(doing, _RTM_GETNEIGH, message, flags=NLM_F_DUMP)


def _neighbour(data: bytes) -> Any:
    message = messages.neighbour_message(data)
    message.decode()
    return message
