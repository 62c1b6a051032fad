"""The smallest question, read back by a library that we did not write."""

from __future__ import annotations

from dnslib import RR, A, DNSRecord

from netemu.core.dns.question import address_question, has_records


def test_a_question_is_what_a_library_reads():
    """Name, type, class, ID and the wish for recursion arrive."""
    read = DNSRecord.parse(address_question("web.default.svc.cluster.local", id=4711))
    assert read.header.id == 4711
    assert read.header.rd == 1
    assert [str(q) for q in read.questions] == [";web.default.svc.cluster.local. IN      A"]


def test_only_an_answer_with_records_counts():
    """A refusal, an empty answer, the question itself and half a packet do not."""
    question = DNSRecord.parse(address_question("web.test", id=1))
    answer = question.reply()
    assert not has_records(answer.pack())
    answer.add_answer(RR("web.test", rdata=A("10.0.0.1")))
    assert has_records(answer.pack())
    answer.header.rcode = 3
    assert not has_records(answer.pack())
    assert not has_records(question.pack())
    assert not has_records(b"\x00\x01\x80")
