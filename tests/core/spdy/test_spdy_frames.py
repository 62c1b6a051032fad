"""SPDY/3.1: bytes that a real client sent, frames both ways, and nonsense."""

from __future__ import annotations

import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netemu.core.spdy import frames
from netemu.core.spdy.frames import INITIAL_WINDOW, Control, Data, FrameReader, Reset, Type
from netemu.core.spdy.headers import DICTIONARY, Compressor, Decompressor, HeaderError
from netemu.core.spdy.session import (
    UNBOUND,
    Broken,
    Opened,
    Received,
    Session,
    WasReset,
    Widened,
)

NAMES = st.text("abcdefghijklmnopqrstuvwxyz-", min_size=1, max_size=12)
HEADERS = st.dictionaries(NAMES, st.text(max_size=30), max_size=5)


def opening(client: Compressor, stream: int, *, fin: bool = False, **headers: str) -> bytes:
    return frames.syn_stream(stream, client.block(headers), fin=fin)


def replies(session: Session) -> list[Control | Data]:
    return list(FrameReader().feed(session.take()))


def test_dictionary_is_that_of_the_draft():
    """zlib names a dictionary by its Adler-32: SPDY/3's is known."""
    assert (len(DICTIONARY), zlib.adler32(DICTIONARY)) == (1423, 0xE3C6A7C2)


def test_header_block_bytes():
    """The zlib header, the dictionary's name, a synchronised block: as on the wire."""
    block = Compressor().block({"streamtype": "error"})
    assert block[2:6] == bytes.fromhex("e3c6a7c2")
    assert block.endswith(bytes.fromhex("0000ffff"))
    plain = zlib.decompressobj(zdict=DICTIONARY).decompress(block)
    assert plain == bytes.fromhex("00000001 0000000a") + b"streamtype" + b"\0\0\0\x05error"


def test_first_frame_of_kubectl():
    """What kubectl 1.28 sends first, byte by byte: its stream for the final Status."""
    wire = bytes.fromhex(
        "800300010000002900000001000000000000"
        "78f9e3c6a7c26260606004a7b392a2d4c45c6851c29a0a0a6800000000ffff"
    )
    assert Session().receive(wire) == [Opened(1, {"streamtype": "error"}, ended=False)]


def test_frames_bytes():
    """Each frame as the draft draws it."""
    assert frames.data(5, b"hi", fin=True) == bytes.fromhex("00000005 01000002") + b"hi"
    assert frames.of_numbers(Type.PING, (1,)) == bytes.fromhex("80030006 00000004 00000001")
    assert frames.of_numbers(Type.RST_STREAM, (3, Reset.CANCEL)) == bytes.fromhex(
        "80030003 00000008 00000003 00000005"
    )
    assert frames.of_numbers(Type.WINDOW_UPDATE, (0, 4096)) == bytes.fromhex(
        "80030009 00000008 00000000 00001000"
    )
    assert frames.of_numbers(Type.GOAWAY, (7, 0)) == bytes.fromhex(
        "80030007 00000008 00000007 00000000"
    )
    assert (
        frames.syn_stream(1, b"xy")
        == bytes.fromhex("80030001 0000000c 00000001 00000000 0000") + b"xy"
    )
    assert (
        frames.syn_reply(1, b"xy", fin=True) == bytes.fromhex("80030002 01000006 00000001") + b"xy"
    )


@given(st.lists(HEADERS, max_size=6))
def test_headers_round_trip(blocks):
    """One compressor and one decompressor understand each other block after block."""
    there, back = Compressor(), Decompressor()
    for headers in blocks:
        assert back.headers(there.block(headers)) == headers


@given(
    st.lists(st.tuples(st.sampled_from((1, 3)), st.binary(max_size=300)), max_size=8),
    st.lists(st.integers(1, 64), min_size=1, max_size=50),
)
def test_data_round_trip_however_it_is_cut(pieces, cuts):
    """Data arrives whole and in order, wherever the wire cuts it."""
    client = Compressor()
    wire = opening(client, 1, streamtype="data") + opening(client, 3, streamtype="error")
    wire += b"".join(frames.data(stream, data) for stream, data in pieces)
    wire += frames.data(1, b"", fin=True) + frames.data(3, b"", fin=True)
    session, events = Session(), []
    at = 0
    while at < len(wire):
        size = cuts[at % len(cuts)]
        events += session.receive(wire[at : at + size])
        at += size
    assert [e.stream for e in events if isinstance(e, Opened)] == [1, 3]
    received = [e for e in events if isinstance(e, Received)]
    for stream in (1, 3):
        mine = [e for e in received if e.stream == stream]
        assert b"".join(e.data for e in mine) == b"".join(d for s, d in pieces if s == stream)
        assert [e.ended for e in mine].count(True) == 1
        assert mine[-1].ended


@given(st.lists(st.binary(max_size=200), max_size=5))
def test_garbage_never_crashes(chunks):
    """Whatever comes is understood, ignored, or answered with GOAWAY, and then no more is."""
    session, broken = Session(), False
    for chunk in chunks:
        events = session.receive(chunk)
        assert not (broken and events)
        broken = broken or any(isinstance(event, Broken) for event in events)
    if broken:
        last = replies(session)[-1]
        assert isinstance(last, Control)
        assert last.type == Type.GOAWAY
    session.take()


@given(
    st.sampled_from(list(Type)), st.integers(0, 255), st.binary(max_size=60), st.binary(max_size=60)
)
def test_garbage_in_frames_never_crashes(type, flags, body, rest):
    """Frames of the right shape with nonsense in them."""
    session = Session()
    session.receive(opening(Compressor(), 1) + frames.control(type, body, flags=flags) + rest)
    session.take()


@pytest.mark.parametrize(
    ("wire", "why"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", ""),
        (bytes.fromhex("80020006 00000004 00000001"), "version 2"),
        (bytes.fromhex("80030001 00fffff0"), "bytes"),
        (bytes.fromhex("80030006 00000002 0000"), "cut off"),
        (frames.syn_stream(1, b"no zlib"), "header block"),
        (bytes.fromhex("80030004 00000008 00000009 00000000"), "SETTINGS"),
    ],
)
def test_nonsense_ends_the_connection(wire, why):
    """What is no SPDY is refused with a reason; a data frame of HTTP's is just unknown."""
    session = Session()
    events = session.receive(wire)
    if why:
        (event,) = events
        assert isinstance(event, Broken)
        assert why in event.why
        assert session.receive(frames.of_numbers(Type.PING, (1,))) == []
    else:
        assert events == []


def test_header_bombs_are_refused():
    """A block that would fill the memory is not unpacked."""
    with pytest.raises(HeaderError, match="more than 65536 bytes"):
        Decompressor().headers(Compressor().block({"a": "b" * 1_000_000}))


def test_streams_are_opened_accepted_and_ended():
    """SYN_STREAM, SYN_REPLY, data both ways, FIN both ways: then it is forgotten."""
    session, client = Session(), Compressor()
    assert session.receive(opening(client, 1, streamtype="data", port="80")) == [
        Opened(1, {"streamtype": "data", "port": "80"}, ended=False)
    ]
    session.accept(1)
    (reply,) = replies(session)
    assert isinstance(reply, Control)
    assert (reply.type, struct.unpack_from(">I", reply.body)) == (Type.SYN_REPLY, (1,))
    assert Decompressor().headers(reply.body[4:]) == {}
    session.send(1, b"out", fin=True)
    assert replies(session) == [Data(1, b"out", fin=True)]
    assert not session.is_open(1)
    assert session.receive(frames.data(1, b"in", fin=True)) == [Received(1, b"in", ended=True)]
    assert not session.knows(1)
    session.send(1, b"late")
    assert session.take() == b""


def test_pings_resets_and_late_data():
    """A ping is echoed, our own are not; a reset ends a stream; unknown streams are reset."""
    session, client = Session(), Compressor()
    session.receive(frames.of_numbers(Type.PING, (7,)) + frames.of_numbers(Type.PING, (8,)))
    assert session.take() == frames.of_numbers(Type.PING, (7,))
    session.receive(opening(client, 1))
    assert session.receive(frames.of_numbers(Type.RST_STREAM, (1, 5))) == [WasReset(1)]
    session.receive(frames.data(1, b"late"))
    assert session.take() == b""
    session.receive(frames.data(9, b"never opened"))
    assert session.take() == frames.of_numbers(Type.RST_STREAM, (9, Reset.INVALID_STREAM))
    session.receive(opening(client, 2) + opening(client, 1))
    assert session.take() == frames.of_numbers(
        Type.RST_STREAM, (2, Reset.PROTOCOL_ERROR)
    ) + frames.of_numbers(Type.RST_STREAM, (1, Reset.PROTOCOL_ERROR))
    assert session.receive(frames.of_numbers(Type.GOAWAY, (0, 0))) == []


def test_windows_bind_only_whoever_keeps_them():
    """kubectl keeps none and may be sent anything; a peer that speaks of windows is obeyed."""
    session, client = Session(), Compressor()
    session.receive(opening(client, 1))
    assert session.room(1) == UNBOUND
    assert session.receive(frames.control(Type.SETTINGS, struct.pack(">III", 1, 7, 1000))) == [
        Widened()
    ]
    assert session.room(1) == 1000
    session.send(1, b"x" * 900)
    assert session.room(1) == 100
    session.receive(frames.of_numbers(Type.WINDOW_UPDATE, (1, 50)))
    assert session.room(1) == 150
    session.send(1, b"x" * 150)
    assert session.room(1) == 0
    session.receive(frames.of_numbers(Type.WINDOW_UPDATE, (1, 0x7FFFFFFF)))
    assert session.room(1) == min(0x7FFFFFFF, INITIAL_WINDOW - 1050)


def test_a_window_that_overflows_resets_its_stream():
    """As the draft asks; the connection's own ends the connection."""
    session, client = Session(), Compressor()
    session.receive(opening(client, 1))
    update = frames.of_numbers(Type.WINDOW_UPDATE, (1, 0x7FFFFFFF))
    assert session.receive(update) == [WasReset(1), Widened()]
    assert session.take() == frames.of_numbers(Type.RST_STREAM, (1, Reset.FLOW_CONTROL_ERROR))
    (event,) = session.receive(frames.of_numbers(Type.WINDOW_UPDATE, (0, 0x7FFFFFFF)))
    assert isinstance(event, Broken)


def test_what_was_read_is_announced():
    """A peer that keeps windows may send again after half of one was read."""
    session, client = Session(), Compressor()
    session.receive(opening(client, 1))
    session.consumed(1, INITIAL_WINDOW // 2 - 1)
    assert session.take() == b""
    session.consumed(1, 1)
    half = INITIAL_WINDOW // 2
    assert session.take() == frames.of_numbers(Type.WINDOW_UPDATE, (0, half)) + frames.of_numbers(
        Type.WINDOW_UPDATE, (1, half)
    )
