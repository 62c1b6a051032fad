"""Questions and the records that answer them (control-plane-and-node.md, 5).

`answer` is the whole decision: a name and a type go in, a `Reply` comes out. What
it must not get wrong is the difference between NXDOMAIN (no such name: a resolver
goes on with its search list) and NODATA (the name exists, without such records: a
resolver stops there).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from ipaddress import IPv4Address, IPv6Address, ip_address

from netemu.core.dns.directory import Address, Directory, PortRecord, ServiceRecord
from netemu.model.keys import ObjectKey

TTL_S = 30
VERSION_TTL_S = 28800
_CNAME_DEPTH = 8

Wanted = Callable[[PortRecord], bool]


class Rcode(IntEnum):
    NOERROR = 0
    FORMERR = 1
    SERVFAIL = 2
    NXDOMAIN = 3
    NOTIMP = 4
    REFUSED = 5


class Type(IntEnum):
    """Record types that are treated one by one; others exist and get NODATA."""

    A = 1
    NS = 2
    CNAME = 5
    SOA = 6
    PTR = 12
    TXT = 16
    AAAA = 28
    SRV = 33
    ANY = 255
    IXFR = 251
    AXFR = 252


@dataclass(frozen=True, slots=True)
class Srv:
    weight: int
    port: int
    target: str


@dataclass(frozen=True, slots=True)
class Record:
    """One resource record. `name` and names in `data` have no trailing dot."""

    name: str
    type: Type
    data: Address | Srv | str
    ttl_s: int = TTL_S


@dataclass(frozen=True, slots=True)
class Reply:
    rcode: Rcode = Rcode.NOERROR
    answers: tuple[Record, ...] = ()
    additional: tuple[Record, ...] = ()
    soa: bool = False
    """Put the zone's SOA into the authority section: every negative answer has it."""
    forward: str = ""
    """Not ours to answer: ask upstream for this name (the CNAMEs so far are in `answers`)."""


NODATA = Reply(soa=True)
NXDOMAIN = Reply(Rcode.NXDOMAIN, soa=True)


def answer(name: str, type: int, directory: Directory) -> Reply:
    """Answer one question; `name` has no trailing dot and keeps the asker's case."""
    if type in (Type.AXFR, Type.IXFR):
        return Reply(Rcode.REFUSED)
    lower = name.lower()
    zone = directory.domain
    if lower == zone:
        return _apex(name, type, zone)
    if lower.endswith(f".{zone}"):
        return _in_zone(name, type, lower[: -len(zone) - 1].split("."), directory)
    if lower.endswith((".in-addr.arpa", ".ip6.arpa")):
        return _reverse(name, type, directory)
    return Reply(forward=name)


def _apex(name: str, type: int, zone: str) -> Reply:
    if type == Type.SOA:
        return Reply(answers=(Record(name, Type.SOA, zone),))
    if type == Type.NS:
        return Reply(answers=(Record(name, Type.NS, f"ns.dns.{zone}"),))
    return NODATA


def _in_zone(name: str, type: int, labels: list[str], directory: Directory) -> Reply:
    if labels == ["dns-version"]:
        if type in (Type.TXT, Type.ANY):
            return Reply(answers=(Record(name, Type.TXT, "1.1.0", VERSION_TTL_S),))
        return NODATA
    if labels[-1] == "svc":
        return _service(name, type, labels[:-1], directory)
    if labels[-1] == "pod":
        return _pod(name, type, labels[:-1], directory)
    return NXDOMAIN


def _pod(name: str, type: int, labels: list[str], directory: Directory) -> Reply:
    """`a-b-c-d.NAMESPACE.pod`: any valid address, if the namespace exists."""
    if not labels:
        return NODATA
    if labels[-1] not in directory.namespaces:
        return NXDOMAIN
    if len(labels) == 1:
        return NODATA
    address = _dashed_address(labels[0]) if len(labels) == 2 else None
    if address is None:
        return NXDOMAIN
    return _addresses(name, type, [address])


def _dashed_address(label: str) -> Address | None:
    v4 = label.count("-") == 3 and "--" not in label
    try:
        return ip_address(label.replace("-", "." if v4 else ":"))
    except ValueError:
        return None


def _service(name: str, type: int, labels: list[str], directory: Directory) -> Reply:
    """`[_port._proto.|host.]SERVICE.NAMESPACE.svc`."""
    if not labels:
        return NODATA
    if labels[-1] not in directory.namespaces:
        return NXDOMAIN
    if len(labels) == 1:
        return NODATA
    record = directory.services.get(ObjectKey(labels[-1], labels[-2]))
    if record is None:
        return NXDOMAIN
    if record.external_name:
        return _external(name, type, record, directory) if len(labels) == 2 else NXDOMAIN
    rest = labels[:-2]
    if not rest:
        return _whole_service(name, type, record, directory)
    if len(rest) == 1:
        return _one_endpoint(name, type, rest[0], record)
    if len(rest) == 2:
        return _named_port(name, type, rest[0], rest[1], record, directory)
    return NXDOMAIN


def _whole_service(name: str, type: int, record: ServiceRecord, directory: Directory) -> Reply:
    if record.headless and not record.endpoints:
        return NXDOMAIN
    if type == Type.SRV:
        return _srv(name, record, directory, lambda _: True)
    return _addresses(name, type, _service_addresses(record))


def _service_addresses(record: ServiceRecord) -> Sequence[Address]:
    if not record.headless:
        return record.cluster_ips
    # An address that serves through several slices is still one address.
    return tuple(dict.fromkeys(endpoint.address for endpoint in record.endpoints))


def _one_endpoint(name: str, type: int, label: str, record: ServiceRecord) -> Reply:
    found = tuple(dict.fromkeys(e.address for e in record.endpoints if e.label == label))
    return _addresses(name, type, found) if found else NXDOMAIN


def _named_port(
    name: str, type: int, port: str, protocol: str, record: ServiceRecord, directory: Directory
) -> Reply:
    port, protocol = port.removeprefix("_"), protocol.removeprefix("_")

    def wanted(candidate: PortRecord) -> bool:
        return candidate.name == port and candidate.protocol == protocol

    if not any(wanted(candidate) for candidate in _all_ports(record)):
        return NXDOMAIN
    if type == Type.SRV:
        return _srv(name, record, directory, wanted)
    return _addresses(name, type, _service_addresses(record))


def _all_ports(record: ServiceRecord) -> Iterable[PortRecord]:
    if not record.headless:
        return record.ports
    return (port for endpoint in record.endpoints for port in endpoint.ports)


def _srv(name: str, record: ServiceRecord, directory: Directory, wanted: Wanted) -> Reply:
    """SRV records of the wanted ports, with the addresses of their targets beside them."""
    service = f"{record.key.name}.{record.key.namespace}.svc.{directory.domain}"
    targets: list[tuple[str, PortRecord, Sequence[Address]]] = []
    if record.headless:
        targets = [
            (f"{endpoint.label}.{service}", port, (endpoint.address,))
            for endpoint in record.endpoints
            for port in endpoint.ports
            if wanted(port)
        ]
    else:
        targets = [(service, p, record.cluster_ips) for p in record.ports if wanted(p)]
    if not targets:
        return NODATA
    weight = max(1, 100 // len(targets))
    answers = tuple(
        Record(name, Type.SRV, Srv(weight, port.number, target)) for target, port, _ in targets
    )
    beside = dict.fromkeys(
        Record(target, _address_type(address), address)
        for target, _, addresses in targets
        for address in addresses
    )
    return Reply(answers=answers, additional=tuple(beside))


def _address_type(address: Address) -> Type:
    return Type.A if isinstance(address, IPv4Address) else Type.AAAA


def _addresses(name: str, type: int, addresses: Iterable[Address]) -> Reply:
    """A or AAAA records; the name exists, so the other family is NODATA, not NXDOMAIN."""
    records = tuple(
        Record(name, _address_type(address), address)
        for address in addresses
        if type in (_address_type(address), Type.ANY)
    )
    return Reply(answers=records) if records else NODATA


def _external(name: str, type: int, record: ServiceRecord, directory: Directory) -> Reply:
    """A CNAME, chased inside the zone; outside it, upstream is asked."""
    answers: list[Record] = []
    owner = name
    target = record.external_name
    for _ in range(_CNAME_DEPTH):
        answers.append(Record(owner, Type.CNAME, target))
        if type == Type.CNAME:
            return Reply(answers=tuple(answers))
        inner = _answer_unchased(target, type, directory)
        if inner.forward:
            return Reply(answers=tuple(answers), forward=target)
        if len(inner.answers) == 1 and inner.answers[0].type == Type.CNAME:
            owner, target = target, str(inner.answers[0].data)
            continue
        # A chase that fails drops the CNAME as well: the asker must see the failure.
        return Reply(answers=(*answers, *inner.answers)) if inner.answers else inner
    return Reply(Rcode.SERVFAIL)


def _answer_unchased(name: str, type: int, directory: Directory) -> Reply:
    """As `answer`, but an ExternalName answers its bare CNAME, whatever was asked."""
    suffix = f".svc.{directory.domain}"
    labels = name.lower().removesuffix(suffix).split(".")
    if name.lower().endswith(suffix) and len(labels) == 2:
        record = directory.services.get(ObjectKey(labels[1], labels[0]))
        if record is not None and record.external_name:
            return Reply(answers=(Record(name, Type.CNAME, record.external_name),))
    return answer(name, type, directory)


def _reverse(name: str, type: int, directory: Directory) -> Reply:
    """PTR of ClusterIPs and endpoints; any other address is somebody else's."""
    address = _reversed_address(name.lower())
    names = directory.reverse.get(address, {}) if address is not None else {}
    if not names:
        return Reply(forward=name)
    if type not in (Type.PTR, Type.ANY):
        return NODATA
    return Reply(
        answers=tuple(Record(name, Type.PTR, f"{n}.svc.{directory.domain}") for n in names)
    )


def _reversed_address(name: str) -> Address | None:
    try:
        if name.endswith(".in-addr.arpa"):
            return IPv4Address(".".join(reversed(name.removesuffix(".in-addr.arpa").split("."))))
        nibbles = "".join(reversed(name.removesuffix(".ip6.arpa").split(".")))
        if len(nibbles) != 32:
            return None
        return IPv6Address(int(nibbles, 16))
    except ValueError:
        return None
