"""DNS messages: dnslib parses and builds each distinct one once.

The server caches what `respond` returns by the question's own bytes, so this file
is for the first asker only and may be as slow as a careful library is.
"""

from __future__ import annotations

from dataclasses import dataclass

from dnslib import AAAA, CNAME, EDNS0, NS, PTR, QTYPE, RR, SOA, SRV, TXT, A, DNSError, DNSRecord
from dnslib.label import DNSLabel

from netemu.core.dns.answers import TTL_S, Rcode, Record, Reply, Srv, Type

UDP_DEFAULT_BYTES = 512
_EDNS_BYTES = 1232
"""What we say that we take: fits every path's MTU (DNS flag day 2020)."""


@dataclass(frozen=True, slots=True)
class Question:
    """A parsed query: what is asked, and how long an answer by UDP may be."""

    message: DNSRecord
    name: str
    type: int
    udp_limit: int


def parse(packet: bytes) -> Question | None:
    """Return the question; None if the packet is no query that could be answered."""
    try:
        message = DNSRecord.parse(packet)
    except (DNSError, IndexError, ValueError):
        return None
    if message.header.qr or len(message.questions) != 1:
        return None
    question = message.questions[0]
    limit = UDP_DEFAULT_BYTES
    for extra in message.ar:
        if extra.rtype == QTYPE.OPT:
            limit = max(UDP_DEFAULT_BYTES, int(extra.rclass))
    name = str(question.qname).removesuffix(".")
    return Question(message, name, int(question.qtype), limit)


def respond(question: Question, reply: Reply, *, domain: str, tcp: bool) -> bytes:
    """Build the response; too long for UDP is cut to a truncated one, to be asked by TCP."""
    message = question.message.reply(ra=1, aa=1)
    message.header.rcode = int(reply.rcode)
    if any(record.rtype == QTYPE.OPT for record in question.message.ar):
        message.add_ar(EDNS0(udp_len=_EDNS_BYTES))
    for record in reply.answers:
        message.add_answer(_resource(record, domain))
    for record in reply.additional:
        message.add_ar(_resource(record, domain))
    if reply.soa:
        message.add_auth(_soa(domain, domain))
    packed = bytes(message.pack())
    if not tcp and len(packed) > question.udp_limit:
        return _truncated(message)
    return packed


def refuse(question: Question, rcode: Rcode) -> bytes:
    """Build a bare failure: SERVFAIL before we know anything, REFUSED for what is not ours."""
    message = question.message.reply(ra=1, aa=0)
    message.header.rcode = int(rcode)
    return bytes(message.pack())


def _truncated(message: DNSRecord) -> bytes:
    message.rr = []
    message.auth = []
    message.ar = [record for record in message.ar if record.rtype == QTYPE.OPT]
    message.header.tc = 1
    message.set_header_qa()
    return bytes(message.pack())


def _soa(owner: str, domain: str) -> RR:
    times = (1, 7200, 1800, 86400, TTL_S)
    return RR(
        owner,
        QTYPE.SOA,
        ttl=TTL_S,
        rdata=SOA(f"ns.dns.{domain}", f"hostmaster.{domain}", times),
    )


def _resource(record: Record, domain: str) -> RR:
    if record.type == Type.SOA:
        return _soa(record.name, domain)
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
    return RR(DNSLabel(record.name), int(record.type), ttl=record.ttl_s, rdata=rdata)


def query(name: str, type: int) -> bytes:
    """Build a question of our own, for upstream."""
    message = DNSRecord.question(name, qtype=QTYPE.get(type) if type in QTYPE.forward else "A")
    message.add_ar(EDNS0(udp_len=_EDNS_BYTES))
    return bytes(message.pack())


def join(question: Question, reply: Reply, upstream: bytes, *, domain: str) -> bytes:
    """Put our CNAMEs before what upstream said of the name they lead to."""
    try:
        said = DNSRecord.parse(upstream)
    except DNSError:
        return refuse(question, Rcode.SERVFAIL)
    message = question.message.reply(ra=1, aa=0)
    message.header.rcode = said.header.rcode
    # The CNAME goes with what it leads to: alone it would read as a success.
    if said.rr:
        message.add_answer(*(_resource(record, domain) for record in reply.answers), *said.rr)
    message.add_auth(*said.auth)
    return bytes(message.pack())
