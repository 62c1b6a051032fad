"""gRPC probes of servers in this process, good and bad ones."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest

from netemu.core.grpc_health import Health
from netemu.core.kubelet.probes import Outcome, ProbeResult
from netemu.daemons.kubelet.handlers import Handlers
from netemu.host.contract import Runtime
from netemu.host.netns import Netns
from netemu.images.grpc import HealthConnection
from netemu.model.core_v1 import GRPCAction

HERE = "127.0.0.1"
SERVICES = {"": Health.SERVING, "sick": Health.NOT_SERVING}


class _Here:
    """Stands where a node's namespace does: calls are made in this one."""

    async def call(self, function: Callable[..., Any], *args: Any) -> Any:
        return function(*args)


Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Any]


@asynccontextmanager
async def _serving(serve: Serve) -> AsyncIterator[int]:
    async def guarded(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await serve(reader, writer)
        finally:
            writer.close()

    server = await asyncio.start_server(guarded, HERE, 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def _healthy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    connection = HealthConnection(SERVICES.get, lambda _line: None)
    while not connection.closing and (data := await reader.read(3)):
        writer.write(connection.feed(data))


async def _old(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(1000)
    writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")


async def _mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    del writer
    while await reader.read(1000):
        pass


async def _leaving(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    connection = HealthConnection(SERVICES.get, lambda _line: None)
    writer.write(connection.feed(b""))
    await reader.read(1000)


async def _probe(port: int, service: str = "", timeout_s: float = 5.0) -> ProbeResult:
    handlers = Handlers(netns=cast("Netns", _Here()), runtime=cast("Runtime", None))
    return await handlers.grpc(GRPCAction(port=port, service=service), HERE, timeout_s)


async def test_services_are_asked_by_name() -> None:
    """Who serves passes; who does not, or is not known, fails with the reason."""
    async with _serving(_healthy) as port:
        assert (await _probe(port)).outcome is Outcome.SUCCESS
        sick, unknown = await _probe(port, "sick"), await _probe(port, "x" * 300)
    assert sick == ProbeResult(Outcome.FAILURE, 'service unhealthy (responded with "NOT_SERVING")')
    assert unknown.message.endswith("rpc error: code = NotFound desc = unknown service")


async def test_long_names_are_asked_in_parts_and_endless_ones_not_at_all() -> None:
    """A name longer than a frame arrives; what no first message holds is said, not raised."""
    async with _serving(_healthy) as port:
        long, endless = await _probe(port, "x" * 20_000), await _probe(port, "x" * 100_000)
    assert long.message.endswith("rpc error: code = NotFound desc = unknown service")
    assert (endless.outcome, "longer than" in endless.message) == (Outcome.ERROR, True)


@pytest.mark.parametrize(
    ("serve", "text"),
    [
        (_old, "error reading server preface"),
        (_leaving, "rpc error: code = Unavailable desc = error reading from server: "),
    ],
)
async def test_who_speaks_no_grpc_fails(serve: Serve, text: str) -> None:
    """An HTTP/1 server, and one that leaves before it answers."""
    async with _serving(serve) as port:
        result = await _probe(port)
    assert result.outcome is Outcome.FAILURE
    assert text in result.message


async def test_who_is_silent_or_not_there_fails() -> None:
    """In the kubelet's words, with the address."""
    async with _serving(_mute) as port:
        silent = await _probe(port, timeout_s=0.2)
    wanted = f'timeout: failed to connect service "{HERE}:{port}" within 0.2s'
    assert silent.message == f"{wanted}: context deadline exceeded"
    absent = await _probe(port)
    refused = f"dial tcp {HERE}:{port}: connect: connection refused"
    wanted = f'error: failed to connect service at "{HERE}:{port}": {refused}'
    assert absent == ProbeResult(Outcome.FAILURE, wanted)


def test_other_methods_are_refused() -> None:
    """As a server does that has only the health service; nonsense ends the connection."""
    from h2.connection import H2Connection
    from h2.events import ResponseReceived

    client = H2Connection()
    client.initiate_connection()
    headers = {":method": "POST", ":scheme": "http", ":path": "/shop.Cart/Add", ":authority": "x"}
    client.send_headers(1, list(headers.items()), end_stream=True)
    server = HealthConnection(SERVICES.get, lambda _line: None)
    events = client.receive_data(server.feed(client.data_to_send()))
    (answer,) = (event for event in events if isinstance(event, ResponseReceived))
    told = {bytes(name): bytes(value) for name, value in answer.headers or ()}
    assert (told[b"grpc-status"], told[b"grpc-message"]) == (
        b"12",
        b"unknown method /shop.Cart/Add",
    )
    server.feed(b"\0\0\0\x01" + bytes(5))  # HEADERS of no stream.
    assert server.closing
