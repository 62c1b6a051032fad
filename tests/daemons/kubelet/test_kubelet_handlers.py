"""Probes of servers that answer as they should not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from ipaddress import IPv4Address
from typing import Any, cast

import pytest

from netemu.core.kubelet.probes import Outcome
from netemu.daemons.kubelet.handlers import Handlers
from netemu.host.contract import Runtime
from netemu.host.netns import Netns
from netemu.model.core_v1 import Container, HTTPGetAction

LOOPBACK = IPv4Address("127.0.0.1")


class _Here:
    """Stands where a node's namespace does: calls are made in this one."""

    async def call(self, function: Callable[..., Any], *args: Any) -> Any:
        return function(*args)


@asynccontextmanager
async def _answering(text: bytes) -> AsyncIterator[int]:
    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(text)
        writer.close()

    server = await asyncio.start_server(answer, str(LOOPBACK), 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


def _handlers() -> Handlers:
    return Handlers(netns=cast("Netns", _Here()), runtime=cast("Runtime", None))


@pytest.mark.parametrize(
    "text",
    [
        b"HTTP/1.1 " + b"2" * 200_000,
        b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 200_000,
        b"HTTP/1.1 302 Found\r\nLocation: http://[nonsense\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:99999/\r\n\r\n",
        b"hello\r\n",
        b"",
    ],
)
async def test_nonsense_is_a_failed_probe(text: bytes) -> None:
    """Whatever a container answers, it is its probe that fails, never the kubelet."""
    async with _answering(text) as port:
        result = await _handlers().http(HTTPGetAction(port=port), Container(), LOOPBACK, 5.0)
    assert result.outcome is Outcome.FAILURE


async def test_a_name_that_is_none_is_a_failed_probe() -> None:
    """So it is with a host that cannot be one."""
    result = await _handlers().tcp("a" * 64 + ".example", 80, 5.0)
    assert result.outcome is Outcome.FAILURE
