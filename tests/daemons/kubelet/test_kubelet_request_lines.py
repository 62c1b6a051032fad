"""The request of an HTTP probe: nothing in it begins a line of its own."""

from __future__ import annotations

from typing import cast

import pytest

from netemu.daemons.kubelet.handlers import Handlers, _request
from netemu.host.contract import Runtime
from netemu.host.netns import Netns
from netemu.model.core_v1 import HTTPHeader


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("X-A", "1\r\nX-Evil: 2", 'invalid header field value for "X-A"'),
        ("X-A", "1\n", 'invalid header field value for "X-A"'),
        ("X\r\nY", "1", "invalid header field name"),
    ],
)
def test_header_with_a_line_break_is_refused(name: str, value: str, said: str) -> None:
    """A header that holds a line break makes no request."""
    with pytest.raises(ValueError, match=said):
        _request("/", "10.0.0.1:80", [HTTPHeader(name=name, value=value)])


async def test_path_with_a_line_break_is_refused_before_it_is_split() -> None:
    """A path that holds a line break is refused and nobody is connected to."""
    handlers = Handlers(netns=cast("Netns", None), runtime=cast("Runtime", None))
    with pytest.raises(ValueError, match="invalid control character in URL"):
        await handlers._get("http://10.0.0.1:80/a\r\nX-Evil: 2", [])


def test_usual_headers_are_sent() -> None:
    """What holds no line break goes out, one line each."""
    sent = _request("/healthz", "10.0.0.1:80", [HTTPHeader(name="X-A", value="1")])
    assert sent.startswith(b"GET /healthz HTTP/1.1\r\nHost: 10.0.0.1:80\r\n")
    assert b"\r\nX-A: 1\r\n" in sent
