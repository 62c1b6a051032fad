"""Connection tracking of one namespace: the UDP flows it remembers, and forgetting them.

It speaks ctnetlink (linux/netfilter/nfnetlink_conntrack.h) over a socket that was
opened inside the namespace: no program to start, and nothing to parse but attributes.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address
from typing import Final

from netemu.core.proxy.stale_flows import Flow
from netemu.errors import HostError
from netemu.host.netns import Netns

_NETLINK_NETFILTER: Final = 12
_GET: Final = 0x101  # NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_GET
_DELETE: Final = 0x102
_REQUEST, _ACK, _DUMP = 0x1, 0x4, 0x300
_ERROR, _DONE = 2, 3
_TUPLE_ORIG, _TUPLE_REPLY = 1, 2
_IP, _PROTO = 1, 2
_IP_SRC, _IP_DST = 1, 2
_PROTO_NUM, _PROTO_SRC_PORT, _PROTO_DST_PORT = 1, 2, 3
_NESTED: Final = 0x8000
_TYPE_MASK: Final = 0x3FFF
_HEADER = struct.Struct("=IHHII")
_FAMILY_HEADER = struct.pack("=BBH", socket.AF_INET, 0, 0)
_BUFFER_BYTES: Final = 1 << 17
_TIMEOUT_S: Final = 5.0


class Conntrack:
    """Blocking calls; each takes a fresh socket. Raises HostError."""

    def __init__(self, netns: Netns) -> None:
        self._netns = netns

    def udp_flows(self) -> list[Flow]:
        with self._open() as link:
            link.send(_message(_GET, _REQUEST | _DUMP))
            return [flow for body in self._replies(link) if (flow := _udp_flow(body)) is not None]

    def forget(self, flows: Iterable[Flow]) -> int:
        """Delete the flows; return how many were still there."""
        forgotten = 0
        with self._open() as link:
            for flow in flows:
                link.send(_message(_DELETE, _REQUEST | _ACK, flow.handle))
                try:
                    list(self._replies(link))
                    forgotten += 1
                except HostError as error:
                    if error.errno != errno.ENOENT:  # It ended by itself.
                        raise
        return forgotten

    def _open(self) -> socket.socket:
        link = self._netns.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_NETFILTER)
        link.settimeout(_TIMEOUT_S)
        return link

    def _replies(self, link: socket.socket) -> Iterator[bytes]:
        """Yield the bodies of one answer, up to its end or acknowledgement."""
        while True:
            try:
                data = link.recv(_BUFFER_BYTES)
            except OSError as error:
                raise self._refused(error.errno or 0) from error
            while data:
                length, kind, _, _, _ = _HEADER.unpack_from(data)
                body = data[_HEADER.size : length]
                data = data[_aligned(length) :]
                if kind == _DONE:
                    return
                if kind == _ERROR:
                    (code,) = struct.unpack_from("=i", body)
                    if code:
                        raise self._refused(-code)
                    return
                yield body

    def _refused(self, code: int) -> HostError:
        where = self._netns.name
        return HostError("asking conntrack", where=where, answer=os.strerror(code), errno=code)


def _message(kind: int, flags: int, attributes: bytes = b"") -> bytes:
    length = _HEADER.size + len(_FAMILY_HEADER) + len(attributes)
    return _HEADER.pack(length, kind, flags, 0, 0) + _FAMILY_HEADER + attributes


def _udp_flow(body: bytes) -> Flow | None:
    attributes = _attributes(body[len(_FAMILY_HEADER) :])
    original, reply = attributes[_TUPLE_ORIG], attributes[_TUPLE_REPLY]
    sent, answered = _attributes(original), _attributes(reply)
    there, back = _attributes(sent[_PROTO]), _attributes(answered[_PROTO])
    if there[_PROTO_NUM][0] != socket.IPPROTO_UDP:
        return None
    head = struct.pack("=HH", 4 + len(original), _TUPLE_ORIG | _NESTED)
    return Flow(
        destination=IPv4Address(_attributes(sent[_IP])[_IP_DST]),
        port=int.from_bytes(there[_PROTO_DST_PORT]),
        answer_from=IPv4Address(_attributes(answered[_IP])[_IP_SRC]),
        answer_port=int.from_bytes(back[_PROTO_SRC_PORT]),
        handle=head + original,
    )


def _attributes(data: bytes) -> dict[int, bytes]:
    found = {}
    while len(data) >= 4:
        length, kind = struct.unpack_from("=HH", data)
        found[kind & _TYPE_MASK] = data[4:length]
        data = data[_aligned(length) :]
    return found


def _aligned(length: int) -> int:
    return (length + 3) & ~3
