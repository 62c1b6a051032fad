"""A stub resolver that does what a Pod's C library does, and tells what it asked.

It reads a resolv.conf text, walks the search list as `ndots` says, and sends real
questions from whatever network namespace the calling thread is in.
"""

from __future__ import annotations

import secrets
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field

from dnslib import QTYPE, RCODE, DNSRecord

_TIMEOUT_S = 2.0
_TRIES = 2


class NameNotFoundError(Exception):
    """Nobody knows the name: what was asked, and what was answered."""


@dataclass(frozen=True, slots=True)
class ResolvConf:
    """What /etc/resolv.conf says."""

    nameservers: tuple[str, ...] = ()
    search: tuple[str, ...] = ()
    ndots: int = 1

    @classmethod
    def parse(cls, text: str) -> ResolvConf:
        nameservers: list[str] = []
        search: tuple[str, ...] = ()
        ndots = 1
        for line in text.splitlines():
            word, *rest = line.split() or [""]
            if word == "nameserver" and rest:
                nameservers.append(rest[0])
            elif word in ("search", "domain"):
                search = tuple(rest)
            elif word == "options":
                dots = [o.removeprefix("ndots:") for o in rest if o.startswith("ndots:")]
                ndots = int(dots[-1]) if dots else ndots
        return cls(tuple(nameservers), search, ndots)

    def candidates(self, name: str) -> Iterator[str]:
        """Yield the names that are asked for, in order, without a trailing dot."""
        if name.endswith("."):
            yield name.removesuffix(".")
            return
        as_it_is_first = name.count(".") >= self.ndots
        if as_it_is_first:
            yield name
        for suffix in self.search:
            yield f"{name}.{suffix}"
        if not as_it_is_first:
            yield name


@dataclass(slots=True)
class Lookup:
    """The answer to one name, with each question that led to it."""

    records: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    """`NAME TYPE → RCODE` for each question sent."""


def lookup(name: str, conf: ResolvConf, *, type: str = "A") -> Lookup:
    """Resolve a name; NameNotFoundError says everything that was tried."""
    done = Lookup()
    for candidate in conf.candidates(name):
        reply = _ask(candidate, type, conf.nameservers)
        done.asked.append(f"{candidate} {type} → {RCODE[reply.header.rcode]}")
        wanted = getattr(QTYPE, type)
        done.records = [str(rr.rdata).removesuffix(".") for rr in reply.rr if rr.rtype == wanted]
        if done.records:
            return done
        # NXDOMAIN and NODATA alike send glibc on to the next suffix of its list.
    raise NameNotFoundError(f'no {type} record for "{name}" ({"; ".join(done.asked)})')


def _ask(name: str, type: str, nameservers: tuple[str, ...]) -> DNSRecord:
    query = DNSRecord.question(name, type)
    query.header.id = secrets.randbelow(65536)
    packet = query.pack()
    for server in nameservers * _TRIES:
        try:
            reply = DNSRecord.parse(_by_udp(packet, server))
            return DNSRecord.parse(_by_tcp(packet, server)) if reply.header.tc else reply
        except OSError:
            continue
    servers = ", ".join(nameservers) or "none is configured"
    raise NameNotFoundError(f'no name server answers for "{name}" ({servers})')


def _by_udp(packet: bytes, server: str) -> bytes:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.settimeout(_TIMEOUT_S)
        udp.connect((server, 53))
        udp.send(packet)
        while True:
            reply = udp.recv(65535)
            if reply[:2] == packet[:2]:
                return reply


def _by_tcp(packet: bytes, server: str) -> bytes:
    with socket.create_connection((server, 53), _TIMEOUT_S) as tcp, tcp.makefile("rb") as file:
        tcp.sendall(len(packet).to_bytes(2) + packet)
        return file.read(int.from_bytes(file.read(2)))
