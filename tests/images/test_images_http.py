"""HTTP parsing and flags of the built-in images."""

from __future__ import annotations

import pytest

from netemu.images.flags import UnknownFlag, parse_flags, seconds
from netemu.images.http import BadRequest, Parser, Response, render


def _parse(*pieces: bytes):
    parser, found = Parser(), []
    for piece in pieces:
        parser.feed(piece)
        while (request := parser.next()) is not None:
            found.append(request)
    return found


def test_requests_come_in_any_pieces():
    """Byte by byte or several at once, the requests are the same."""
    stream = b"GET /a?x=1&x=2 HTTP/1.1\r\nHost: h\r\n\r\nPOST /b HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc"
    for pieces in ([stream], [stream[i : i + 1] for i in range(len(stream))]):
        first, second = _parse(*pieces)
        assert (first.method, first.path, first.parameters()) == ("GET", "/a", {"x": "1"})
        assert (second.path, second.body) == ("/b", b"abc")


def test_chunks_are_joined():
    """A body in chunks is one body."""
    (request,) = _parse(
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n",
    )
    assert request.body == b"abcde"


@pytest.mark.parametrize(
    ("head", "keep"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", True),
        (b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n", False),
        (b"GET / HTTP/1.0\r\n\r\n", False),
        (b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", True),
    ],
)
def test_who_keeps_the_connection(head, keep):
    """HTTP/1.1 keeps unless told not to, HTTP/1.0 the other way round."""
    assert _parse(head)[0].keep_alive is keep


@pytest.mark.parametrize(
    "nonsense", [b"\x16\x03\x01\x02", b"hello there\r\n", b"GET / HTTP/1.1\r\nno colon\r\n\r\n"]
)
def test_what_is_not_http_is_refused(nonsense):
    """TLS, plain text and broken headers are told apart from an incomplete request."""
    with pytest.raises(BadRequest):
        _parse(nonsense)


def test_a_response_to_head_has_no_body():
    """But it has the length that the body would have."""
    (request,) = _parse(b"HEAD / HTTP/1.1\r\n\r\n")
    answer = render(request, Response(200, b"12345"))
    assert answer.endswith(b"\r\n\r\n")
    assert b"Content-Length: 5\r\n" in answer


def test_flags_are_gos():
    """With `=` or a blank; switches take no word of their own."""
    flags, rest = parse_flags(
        ["--port=80", "--name", "x", "--udp", "host:1", "--tcp=false"],
        {"port": "1", "name": "", "udp": "false", "tcp": "true", "other": "o"},
    )
    assert flags == {"port": "80", "name": "x", "udp": "true", "tcp": "false", "other": "o"}
    assert rest == ["host:1"]
    with pytest.raises(UnknownFlag, match="unknown flag: --nope"):
        parse_flags(["--nope"], {})


@pytest.mark.parametrize(
    ("text", "expected"), [("5s", 5), ("100ms", 0.1), ("1m30s", 90), ("7", 7), ("", 0)]
)
def test_durations_are_gos(text, expected):
    """Units add up; a bare number is seconds."""
    assert seconds(text) == pytest.approx(expected)
    with pytest.raises(ValueError, match="invalid duration"):
        seconds("1x")
