"""DNS messages: dnslib parses and builds each distinct one once.

The server caches what `respond` returns by the question's own bytes, so this file
is for the first asker only and may be as slow as a careful library is.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from dnslib import (
    AAAA,
    CNAME,
    EDNS0,
    NS,
    PTR,
    QTYPE,
    RR,
    SOA,
    SRV,
    TXT,
    A,
    DNSError,
    DNSHeader,
    DNSQuestion,
    DNSRecord,
)
from dnslib.label import DNSLabel, DNSLabelError

from netemu.core.dns.answers import TTL_S, Rcode, Record, Reply, Srv, Type

UDP_DEFAULT_BYTES = 512
_EDNS_BYTES = 1232
"""What we say that we take: fits every path's MTU (DNS flag day 2020)."""
_HEADER_BYTES = 12
_NAME_MAX = 253
_LABEL_MAX = 63
_CLASSES = (1, 255)  # The Internet's, and any.
_KEPT_FLAGS = 0x7910  # Opcode, RD and CD come back as they came (RFC 1035, 4035).
_EXTENDED_BADVERS = 1
_UNREADABLE = (DNSError, DNSLabelError, IndexError, ValueError, RecursionError, struct.error)
"""What dnslib raises of messages that are none, or that cannot be written."""


@dataclass(frozen=True, slots=True)
class Question:
    """A parsed query: what is asked, and how long an answer by UDP may be."""

    message: DNSRecord
    name: str
    type: int
    udp_limit: int
    edns: bool


def parse(packet: bytes) -> Question | bytes | None:
    """Return the question; the refusal of a query that is none; None for what gets no word."""
    if len(packet) < _HEADER_BYTES or packet[2] & 0x80:
        return None
    if packet[2] & 0x78:
        return _bare(packet, Rcode.NOTIMP)
    try:
        message = DNSRecord.parse(packet)
    except _UNREADABLE:
        return _bare(packet, Rcode.FORMERR)
    if len(message.questions) != 1 or not _writable(message.questions[0].qname):
        return _bare(packet, Rcode.FORMERR)
    return _read(message)


def _read(message: DNSRecord) -> Question | bytes:
    asked = message.questions[0]
    options = [record for record in message.ar if record.rtype == QTYPE.OPT]
    limit = max([UDP_DEFAULT_BYTES, *(int(option.rclass) for option in options)])
    name = str(asked.qname).removesuffix(".")
    question = Question(message, name, int(asked.qtype), limit, bool(options))
    if any(option.ttl >> 16 & 0xFF for option in options):
        refusal = _reply(question, authoritative=False)
        refusal.ar = [EDNS0(udp_len=_EDNS_BYTES, ext_rcode=_EXTENDED_BADVERS)]
        return _packed(refusal)
    if asked.qclass not in _CLASSES:
        return refuse(question, Rcode.REFUSED)
    return question


def _writable(name: DNSLabel) -> bool:
    """Can this name, which was read, also be written back?"""
    return len(name) <= _NAME_MAX and all(len(label) <= _LABEL_MAX for label in name.label)


def respond(question: Question, reply: Reply, *, domain: str, tcp: bool) -> bytes:
    """Build the response; too long for UDP is cut to a truncated one, to be asked by TCP."""
    message = _reply(question, authoritative=True)
    message.header.rcode = int(reply.rcode)
    message.add_answer(*(_resource(question, record, domain) for record in reply.answers))
    message.add_ar(*(_resource(question, record, domain) for record in reply.additional))
    if reply.soa:
        message.add_auth(_soa(DNSLabel(domain), domain))
    return _fit(question, message, tcp=tcp)


def refuse(question: Question, rcode: Rcode) -> bytes:
    """Build a bare failure: SERVFAIL before we know anything, REFUSED for what is not ours."""
    message = _reply(question, authoritative=False)
    message.header.rcode = int(rcode)
    return _packed(message)


def _bare(packet: bytes, rcode: Rcode) -> bytes:
    """Refuse what cannot be read beyond its header."""
    flags = 0x80 << 8 | int.from_bytes(packet[2:4], "big") & _KEPT_FLAGS | int(rcode)
    return packet[:2] + struct.pack("!HHHHH", flags, 0, 0, 0, 0)


def _reply(question: Question, *, authoritative: bool) -> DNSRecord:
    asked = question.message.header
    header = DNSHeader(id=asked.id, bitmap=asked.bitmap & _KEPT_FLAGS, qr=1, ra=1)
    header.aa = int(authoritative)
    message = DNSRecord(header, q=question.message.q)
    if question.edns:
        message.add_ar(EDNS0(udp_len=_EDNS_BYTES))
    return message


def _packed(message: DNSRecord) -> bytes:
    return bytes(message.pack())


def _fit(question: Question, message: DNSRecord, *, tcp: bool) -> bytes:
    packed = _packed(message)
    if not tcp and len(packed) > question.udp_limit:
        return _truncated(message)
    return packed


def _truncated(message: DNSRecord) -> bytes:
    message.rr = []
    message.auth = []
    message.ar = [record for record in message.ar if record.rtype == QTYPE.OPT]
    message.header.tc = 1
    message.set_header_qa()
    return _packed(message)


def _soa(owner: DNSLabel, domain: str) -> RR:
    times = (1, 7200, 1800, 86400, TTL_S)
    return RR(
        owner,
        QTYPE.SOA,
        ttl=TTL_S,
        rdata=SOA(f"ns.dns.{domain}", f"hostmaster.{domain}", times),
    )


def _resource(question: Question, record: Record, domain: str) -> RR:
    # The asker's own bytes: a name may hold what its text form cannot be read back from.
    asked = question.message.q.qname
    owner = asked if record.name == question.name else DNSLabel(record.name)
    if record.type == Type.SOA:
        return _soa(owner, domain)
    data = record.data
    if isinstance(data, Srv):
        rdata = SRV(0, data.weight, data.port, DNSLabel(data.target))
    elif record.type == Type.A:
        rdata = A(str(data))
    elif record.type == Type.AAAA:
        rdata = AAAA(str(data))
    else:
        kind = {Type.PTR: PTR, Type.CNAME: CNAME, Type.NS: NS, Type.TXT: TXT}[record.type]
        rdata = kind(str(data))
    return RR(owner, int(record.type), ttl=record.ttl_s, rdata=rdata)


# --- upstream ----------------------------------------------------------------


def query(name: str, type: int, *, id: int) -> bytes:
    """Build a question of our own, for upstream."""
    message = DNSRecord(DNSHeader(id=id, rd=1), q=DNSQuestion(name, type))
    message.add_ar(EDNS0(udp_len=_EDNS_BYTES))
    return _packed(message)


def answers(packet: bytes, query: bytes) -> bool:
    """Is this the answer to that query: the same number, the same single question?"""
    if len(packet) < _HEADER_BYTES or not packet[2] & 0x80 or packet[:2] != query[:2]:
        return False
    asked = _question_bytes(query)
    return asked is not None and _question_bytes(packet) == asked


def is_truncated(packet: bytes) -> bool:
    return bool(packet[2] & 0x02)


def _question_bytes(packet: bytes) -> bytes | None:
    """Return a message's only question, its name in lower case; None if there is none."""
    if packet[4:6] != b"\0\1":
        return None
    end = _HEADER_BYTES
    while end < len(packet) and packet[end]:
        if packet[end] > _LABEL_MAX:
            return None
        end += 1 + packet[end]
    name, kind = packet[_HEADER_BYTES:end], packet[end + 1 : end + 5]
    return name.lower() + kind if len(kind) == 4 else None


def keep(answer: bytes, most_s: int) -> tuple[bytes, int] | None:
    """Return an upstream's answer as it may be repeated, and for how many seconds.

    Half of its life, at most, and that half is taken off its TTLs: nobody who is told it
    again believes it for longer than the first who was told. None if it is not to be kept.
    """
    flags = int.from_bytes(answer[2:4], "big")
    if flags & 0xF not in (Rcode.NOERROR, Rcode.NXDOMAIN) or is_truncated(answer):
        return None
    try:
        lives = list(_lives(answer))
    except (IndexError, struct.error):
        return None
    seconds = min([2 * most_s, *(life for _, life in lives)]) // 2 if lives else 0
    if seconds < 1:
        return None
    kept = bytearray(answer)
    for offset, life in lives:
        struct.pack_into("!I", kept, offset, life - seconds)
    return bytes(kept), seconds


def _lives(packet: bytes) -> Iterator[tuple[int, int]]:
    """Yield where each record's TTL stands and what it is."""
    questions, *counts = struct.unpack_from("!4H", packet, 4)
    offset = _HEADER_BYTES
    for _ in range(questions):
        offset = _after_name(packet, offset) + 4
    for _ in range(sum(counts)):
        offset = _after_name(packet, offset)
        kind, _, life, length = struct.unpack_from("!HHIH", packet, offset)
        if kind != QTYPE.OPT:
            yield offset + 4, life
        offset += 10 + length


def _after_name(packet: bytes, offset: int) -> int:
    while 0 < packet[offset] <= _LABEL_MAX:
        offset += 1 + packet[offset]
    return offset + 2 if packet[offset] else offset + 1


def join(question: Question, reply: Reply, upstream: bytes, *, domain: str, tcp: bool) -> bytes:
    """Put our CNAMEs before what upstream said of the name they lead to."""
    try:
        said = DNSRecord.parse(upstream)
        message = _reply(question, authoritative=False)
        message.header.rcode = said.header.rcode
        # The CNAME goes with what it leads to: alone it would read as a success.
        if said.rr:
            ours = (_resource(question, record, domain) for record in reply.answers)
            message.add_answer(*ours, *said.rr)
        message.add_auth(*said.auth)
        return _fit(question, message, tcp=tcp)
    except _UNREADABLE:
        return refuse(question, Rcode.SERVFAIL)
