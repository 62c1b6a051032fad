"""DNS messages, byte by byte: what cannot be read, what comes back as it came, what is believed."""

import struct
from ipaddress import IPv4Address

import pytest
from dnslib import EDNS0, QTYPE, RR, A, DNSHeader, DNSQuestion, DNSRecord
from dnslib.label import DNSLabel
from hypothesis import given
from hypothesis import strategies as st

from netemu.core.dns import wire
from netemu.core.dns.answers import Rcode, Record, Reply, Type, answer
from netemu.core.dns.directory import Directory

DOMAIN = "cluster.local"


def asked(name, type=Type.A, *, edns=0, **header):
    message = DNSRecord(DNSHeader(id=7, **header), q=DNSQuestion(name, int(type)))
    if edns:
        message.add_ar(EDNS0(udp_len=edns))
    return bytes(message.pack())


def parsed(packet):
    question = wire.parse(packet)
    assert isinstance(question, wire.Question)
    return question


def header_of(packet):
    number, flags, *counts = struct.unpack("!6H", packet[:12])
    return number, flags & 0xF, flags >> 15, counts


@given(st.binary(max_size=300))
def test_no_packet_breaks_the_parser(packet):
    """Whatever comes in from the network is a question, is refused, or gets no word."""
    question = wire.parse(packet)
    if isinstance(question, wire.Question):
        reply = answer(question.name, question.type, Directory())
        wire.respond(question, reply, domain=DOMAIN, tcp=False)
    elif question is not None:
        assert header_of(question)[2] == 1


@given(st.binary(max_size=80), st.integers(0, 3))
def test_no_question_section_breaks_the_parser(section, extra):
    """A good header before any bytes at all leads to an answer or a refusal, never to silence."""
    packet = struct.pack("!6H", 7, 0x0100, 1, 0, 0, extra) + section
    question = wire.parse(packet)
    assert question is not None
    if isinstance(question, wire.Question):
        question = wire.respond(question, Reply(soa=True), domain=DOMAIN, tcp=True)
    assert header_of(question)[0] == 7


@given(st.lists(st.binary(min_size=1, max_size=63), max_size=4), st.integers(0, 65535))
def test_names_come_back_as_they_came(labels, type):
    """The question's bytes stand unchanged in the answer and in the owner of its records."""
    name = b"".join(bytes([len(label)]) + label for label in labels) + b"\0"
    packet = struct.pack("!6H", 7, 0x0100, 1, 0, 0, 0) + name + struct.pack("!HH", type, 1)
    question = wire.parse(packet)
    if not isinstance(question, wire.Question):
        return  # Not UTF-8, or longer than a name may be.
    reply = Reply(answers=(Record(question.name, Type.A, IPv4Address("10.0.0.1")),))
    response = wire.respond(question, reply, domain=DOMAIN, tcp=True)
    assert response[12 : 12 + len(name) + 4] == packet[12:]
    assert DNSRecord.parse(response).rr[0].rname.label == tuple(labels)


def test_letter_case_is_echoed():
    """A resolver that mixes cases against forgers (0x20) gets its own mixture back."""
    directory = Directory(DOMAIN)
    question = parsed(asked("DnS-VeRsIoN.ClUsTeR.lOcAl", Type.TXT))
    reply = answer(question.name, question.type, directory)
    response = DNSRecord.parse(wire.respond(question, reply, domain=DOMAIN, tcp=False))
    assert str(response.rr[0].rname) == "DnS-VeRsIoN.ClUsTeR.lOcAl."


@pytest.mark.parametrize(
    ("packet", "rcode"),
    [
        (asked("a.b") + b"rest", None),
        (asked("a.b")[:-1], Rcode.FORMERR),
        (asked("a.b", opcode=5), Rcode.NOTIMP),
        (struct.pack("!6H", 7, 0, 0, 0, 0, 0), Rcode.FORMERR),
        (struct.pack("!6H", 7, 0, 2, 0, 0, 0) + asked("a.b")[12:] * 2, Rcode.FORMERR),
        (asked("a.b")[:-2] + b"\0\3", Rcode.REFUSED),
        (
            struct.pack("!6H", 7, 0, 1, 0, 0, 0) + b"\x7f" + b"a" * 127 + b"\0\0\1\0\1",
            Rcode.FORMERR,
        ),
        (
            struct.pack("!6H", 7, 0, 1, 0, 0, 0) + (b"\x3f" + b"a" * 63) * 4 + b"\0\0\1\0\1",
            Rcode.FORMERR,
        ),
        (struct.pack("!6H", 7, 0, 1, 0, 0, 0) + b"\xc0\x0c\0\1\0\1", Rcode.FORMERR),
    ],
    ids="trailing short update no-question two chaos long-label long-name pointer-loop".split(),
)
def test_queries_that_are_none_are_refused(packet, rcode):
    """Each malformed query gets the code that says what is wrong with it, and its own number."""
    question = wire.parse(packet)
    if rcode is None:
        assert isinstance(question, wire.Question)
    else:
        assert isinstance(question, bytes)
        assert header_of(question)[:3] == (7, rcode, 1)


def test_a_chain_of_pointers_is_refused():
    """Thousands of compression pointers, each to the one before, end in FORMERR."""
    chain = b"\0" + b"".join(
        struct.pack("!H", 0xC000 | 12 + max(0, 2 * n - 1)) for n in range(4000)
    )
    packet = struct.pack("!6H", 7, 0, 1, 0, 0, 0) + b"\1" + chain + b"\0\1\0\1"
    last = struct.pack("!6H", 7, 0, 2, 0, 0, 0) + b"\0\0\1\0\1" + packet[13:]
    assert isinstance(wire.parse(last), bytes)


def test_responses_and_scraps_get_no_word():
    """An answer to an answer would never end; what has no header has no asker."""
    assert wire.parse(asked("a.b", qr=1)) is None
    assert wire.parse(b"\0" * 11) is None


def test_a_newer_edns_is_told_which_one_is_spoken():
    """EDNS version 1 gets BADVERS, as RFC 6891 wants."""
    message = DNSRecord(DNSHeader(id=7), q=DNSQuestion("a.b", 1))
    message.add_ar(EDNS0(udp_len=1232, version=1))
    refusal = wire.parse(bytes(message.pack()))
    assert isinstance(refusal, bytes)
    assert DNSRecord.parse(refusal).ar[0].ttl >> 24 == 1


@pytest.mark.parametrize(("edns", "records"), [(0, 0), (1232, 0), (4096, 100)])
def test_limits_are_the_askers(edns, records):
    """Too long an answer is cut whole and marked; EDNS is answered where it was asked."""
    question = parsed(asked("many.example", edns=edns))
    reply = Reply(
        answers=tuple(
            Record("many.example", Type.A, IPv4Address(f"10.0.0.{n}")) for n in range(100)
        )
    )
    response = DNSRecord.parse(wire.respond(question, reply, domain=DOMAIN, tcp=False))
    assert (len(response.rr), response.header.tc) == (records, int(not records))
    assert [record.rtype for record in response.ar] == [QTYPE.OPT] * bool(edns)


def test_an_askers_stray_flags_do_not_come_back():
    """Only RD, CD and the opcode are the asker's to set in an answer."""
    question = parsed(asked("a.b", tc=1, aa=1, ad=1, cd=1, rd=1))
    header = DNSRecord.parse(wire.refuse(question, Rcode.SERVFAIL)).header
    assert (header.tc, header.aa, header.ad, header.cd, header.rd) == (0, 0, 0, 1, 1)


# --- upstream ----------------------------------------------------------------


def answered(name, *addresses, id=7):
    message = DNSRecord(DNSHeader(id=id, qr=1), q=DNSQuestion(name, 1))
    message.add_answer(*(RR(name, 1, ttl=9, rdata=A(address)) for address in addresses))
    return bytes(message.pack())


@pytest.mark.parametrize(
    ("packet", "believed"),
    [
        (answered("a.example", "1.2.3.4"), True),
        (answered("A.Example", "1.2.3.4"), True),
        (answered("b.example", "1.2.3.4"), False),
        (answered("a.example.", "1.2.3.4", id=8), False),
        (asked("a.example"), False),
        (asked("a.example", Type.AAAA, qr=1), False),
        (asked("a.example", qr=1)[:20], False),
        (struct.pack("!6H", 7, 0x8000, 0, 0, 0, 0), False),
        (struct.pack("!6H", 7, 0x8000, 1, 0, 0, 0) + b"\xc0\x0c\0\1\0\1", False),
    ],
    ids="right case name number query type short no-question pointer".split(),
)
def test_only_the_answer_to_the_question_is_believed(packet, believed):
    """Number, name, type and direction must all be right before an answer is taken."""
    assert wire.answers(packet, asked("a.example")) is believed


def test_letters_that_are_numbers_are_not_folded():
    """Type 65 and type 97 differ, though their bytes are an upper and a lower case letter."""
    assert not wire.answers(asked("a.example", 97, qr=1), asked("a.example", 65))


def test_a_chased_name_brings_its_cname_along():
    """What upstream said follows our CNAME, under the asker's number and limits."""
    question = parsed(asked("out.shop.svc.cluster.local", edns=1232))
    reply = Reply(answers=(Record(question.name, Type.CNAME, "a.example"),), forward="a.example")
    few = answered("a.example", "1.2.3.4")
    joined = DNSRecord.parse(wire.join(question, reply, few, domain=DOMAIN, tcp=False))
    assert [QTYPE[record.rtype] for record in joined.rr] == ["CNAME", "A"]
    assert [record.rtype for record in joined.ar] == [QTYPE.OPT]
    many = answered("a.example", *(f"10.0.0.{n}" for n in range(200)))
    cut = DNSRecord.parse(wire.join(question, reply, many, domain=DOMAIN, tcp=False))
    assert (len(cut.rr), cut.header.tc) == (0, 1)


@given(st.binary(max_size=200))
def test_nothing_that_upstream_says_breaks_the_joining(packet):
    """An answer that cannot be read becomes SERVFAIL for the asker."""
    question = parsed(asked("out.shop.svc.cluster.local"))
    reply = Reply(answers=(Record(question.name, Type.CNAME, "a.example"),), forward="a.example")
    assert header_of(wire.join(question, reply, packet, domain=DOMAIN, tcp=False))[:1] == (7,)


def ttls(packet):
    message = DNSRecord.parse(packet)
    return [r.ttl for r in [*message.rr, *message.auth] if r.rtype != QTYPE.OPT]


@pytest.mark.parametrize(
    ("life_s", "seconds"), [(300, 30), (60, 30), (9, 4), (2, 1), (1, None), (0, None)]
)
def test_an_answer_is_repeated_for_half_its_life(life_s, seconds):
    """What is kept is kept briefly, and its TTL says what is left of it at the end of that."""
    message = DNSRecord(DNSHeader(id=7, qr=1), q=DNSQuestion("a.example", 1))
    message.add_answer(RR("a.example", 1, ttl=life_s, rdata=A("1.2.3.4")))
    message.add_answer(RR("a.example", 1, ttl=life_s + 5, rdata=A("1.2.3.5")))
    message.add_ar(EDNS0(udp_len=1232))
    kept = wire.keep(bytes(message.pack()), 30)
    if seconds is None:
        assert kept is None
    else:
        assert kept[1] == seconds
        assert ttls(kept[0]) == [life_s - seconds, life_s + 5 - seconds]
        assert DNSRecord.parse(kept[0]).ar[0].rclass == 1232


def test_failures_and_cut_answers_are_not_repeated():
    """SERVFAIL, REFUSED, truncated and empty answers are asked for anew each time."""
    for flags in ({"rcode": 2}, {"rcode": 5}, {"tc": 1}, {}):
        message = DNSRecord(DNSHeader(id=7, qr=1, **flags), q=DNSQuestion("a.example", 1))
        if flags:
            message.add_answer(RR("a.example", 1, ttl=60, rdata=A("1.2.3.4")))
        assert wire.keep(bytes(message.pack()), 30) is None


@given(st.binary(min_size=12, max_size=120))
def test_nothing_that_upstream_says_breaks_the_keeping(packet):
    """A message that ends too early, or points anywhere, is just not kept, or kept whole."""
    kept = wire.keep(packet, 30)
    assert kept is None or len(kept[0]) == len(packet)


def test_our_own_questions_may_be_of_any_type():
    """A type without a name of its own, such as 65280, is asked for by its number."""
    question = DNSRecord.parse(wire.query("a.example", 65280, id=9))
    assert (question.header.id, question.q.qtype, question.q.qname) == (
        9,
        65280,
        DNSLabel("a.example"),
    )
