"""HTTP parsing and flags of the built-in images."""

from __future__ import annotations

import pytest

from netemu.images.flags import Command, Flag, HelpAsked, UsageError, seconds
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


COMMAND = Command(
    "Does something",
    lambda _flags, _rest: 0,
    {
        "port": Flag(1, "A port", short="p"),
        "name": Flag("", "A name"),
        "udp": Flag(False, "By UDP"),
        "tcp": Flag(True, "By TCP"),
        "wait": Flag(1.5, "How long", duration=True),
    },
    arguments="WHERE",
    most=1,
)


def test_flags_are_gos():
    """With `=` or a blank, short or long; switches take no word of their own."""
    flags, rest = COMMAND.parse(["-p", "80", "--name=x y", "--udp", "host:1", "--tcp=false"])
    assert (flags.number("port"), flags.text("name"), rest) == (80, "x y", ["host:1"])
    assert (flags.on("udp"), flags.on("tcp"), flags.seconds("wait")) == (True, False, 1.5)
    assert COMMAND.parse(["--", "-p"])[1] == ["-p"]
    assert COMMAND.parse(["-port=7", "--wait", "2m"])[0].number("port") == 7


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--nope"], "unknown flag: --nope"),
        (["-x"], "unknown flag: -x"),
        (["--port"], "flag needs an argument: --port"),
        (["--port", "http"], 'invalid argument "http" for "--port" flag: strconv.ParseInt'),
        (["--udp=maybe"], 'invalid argument "maybe" for "--udp" flag: strconv.ParseBool'),
        (["--wait=1x"], 'invalid argument "1x" for "--wait" flag: invalid duration'),
        (["a", "b"], r"accepts at most 1 arg\(s\), received 2"),
    ],
)
def test_bad_flags_are_named(words, complaint):
    """What is wrong, of which flag."""
    with pytest.raises(UsageError, match=complaint):
        COMMAND.parse(words)


def test_help_has_every_flag():
    """Short and long names, kinds, defaults."""
    with pytest.raises(HelpAsked):
        COMMAND.parse(["--port=1", "-h"])
    assert COMMAND.usage("it").splitlines() == [
        "Usage:",
        "  app it WHERE [flags]",
        "",
        "Flags:",
        "      --name string     A name",
        "  -p, --port int        A port (default 1)",
        "      --tcp             By TCP (default true)",
        "      --udp             By UDP",
        "      --wait duration   How long (default 1.5s)",
        "  -h, --help            help for it",
    ]


@pytest.mark.parametrize(
    ("text", "expected"), [("5s", 5), ("100ms", 0.1), ("1m30s", 90), ("7", 7), ("", 0)]
)
def test_durations_are_gos(text, expected):
    """Units add up; a bare number is seconds."""
    assert seconds(text) == pytest.approx(expected)
    with pytest.raises(ValueError, match="invalid duration"):
        seconds("1x")
