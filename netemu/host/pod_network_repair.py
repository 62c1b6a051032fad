"""What is looked at to find damage of a node's bridge and its pods' cables.

What was deleted is made again; what somebody set down stays down, and is told of. A pod
whose default route leads elsewhere has its reasons, too.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from netemu.core.node_network import POD_LINK
from netemu.errors import HostError
from netemu.host import links
from netemu.host.netlink import Netlink

_IFINFO = struct.Struct("=BxHiI")
_HEADER_BYTES = 16
_IFF_UP = 1
_IFF_RUNNING = 0x40
_ZERO = "00000000"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was not as it should be."""

    text: str
    sandbox_id: str = ""
    """Whose cable it is about; empty: the node's own bridge."""
    down: str = ""
    """The link that somebody set down, and that was left so; else it was repaired."""


def ports_of(netlink: Netlink, bridge_index: int) -> dict[int, bool]:
    """Return the bridge's ports by index, and whether each is set up."""
    # Not decoded: a hundred messages of forty attributes would take longer than all else.
    return dict(map(_index_and_state, netlink.dump(links.show_ports(bridge_index))))


def pod_link_is_up(pod: Netlink) -> bool:
    """Whether the pod's end of its cable is there and set up."""
    index = pod.index_of(POD_LINK)
    return bool(index) and bool(_flags(pod, index) & _IFF_UP)


def has_carrier(netlink: Netlink, index: int) -> bool:
    """Whether the kernel has seen that both ends of a cable are up: its bridge forwards then."""
    return bool(_flags(netlink, index) & _IFF_RUNNING)


def _flags(netlink: Netlink, index: int) -> int:
    for data in netlink.dump(links.show(index)):
        flags: int = _IFINFO.unpack_from(data, _HEADER_BYTES)[3]
        return flags
    return 0


def _index_and_state(data: bytes) -> tuple[int, bool]:
    _, _, index, flags = _IFINFO.unpack_from(data, _HEADER_BYTES)
    return index, bool(flags & _IFF_UP)


def has_default_route(pid: int) -> bool:
    """Whether the namespace of a process has any, however it leads out; HostError if gone."""
    try:
        with open(f"/proc/{pid}/net/route", encoding="ascii") as file:
            return any(_is_default(line.split()) for line in file)
    except OSError as error:
        answer = error.strerror or ""
        raise HostError("reading the routes", where=f"process {pid}", answer=answer) from error


def _is_default(fields: list[str]) -> bool:
    """Destination and mask are the second and the eighth column."""
    return len(fields) > 7 and fields[1] == fields[7] == _ZERO
