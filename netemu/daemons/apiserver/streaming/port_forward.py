"""port-forward: connections to a Pod's own loopback, through the API.

By SPDY, on a connection of its own or tunnelled through a WebSocket, each connection is
a pair of streams, `data` and `error`, joined by their header `requestid`. The older
WebSocket form forwards the ports of the query, once each: port i has channel 2i for data
and 2i+1 for errors, and each begins with the port's number.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from aiohttp import web

from netemu.daemons.apiserver.streaming import upgrade, websocket_channels
from netemu.daemons.apiserver.streaming.asked_ports import asked_ports
from netemu.errors import HostError
from netemu.host.contract import SandboxPorts
from netemu.model.core_v1 import Pod

if TYPE_CHECKING:
    from netemu.daemons.apiserver.streaming.wire import Wire

_SPDY_PROTOCOLS = ("portforward.k8s.io",)
_TUNNEL = "SPDY/3.1+portforward.k8s.io"
_CHANNEL_PROTOCOLS = (
    "v4.channel.k8s.io",
    "v4.base64.channel.k8s.io",
    "channel.k8s.io",
    "base64.channel.k8s.io",
    "portforward.k8s.io",
)
OpenPorts = Callable[[Pod], Awaitable[SandboxPorts]]


async def serve(request: web.BaseRequest, pod: Pod, open_ports: OpenPorts) -> web.StreamResponse:
    """Forward until the client leaves or the Pod is gone; ApiError before the upgrade."""
    if not websocket_channels.is_websocket(request):
        upgrade.require_spdy(request)
        protocol = upgrade.choose_protocol(request, _SPDY_PROTOCOLS)
        ports = await open_ports(pod)
        try:
            wire = await upgrade.upgrade(request, protocol)
            await _serve_spdy(wire, pod, ports)
            return wire.reply
        finally:
            ports.close()
    protocol = websocket_channels.choose_protocol(request, (_TUNNEL, *_CHANNEL_PROTOCOLS))
    numbers = [] if protocol == _TUNNEL else asked_ports(request.query.getall("ports", []))
    ports = await open_ports(pod)
    try:
        socket = await websocket_channels.open_socket(request, protocol)
        if protocol == _TUNNEL:
            from netemu.daemons.apiserver.streaming.wire import TunnelWire

            await _serve_spdy(TunnelWire(socket), pod, ports)
        else:
            await _serve_channels(socket, numbers, pod, ports)
        return socket
    finally:
        ports.close()


def _complaint(pod: Pod, port: int, error: HostError) -> bytes:
    meta = pod.metadata
    return f"error forwarding port {port} to pod {meta.name}, uid {meta.uid}: {error}".encode()


async def _serve_spdy(wire: Wire, pod: Pod, ports: SandboxPorts) -> None:
    from netemu.daemons.apiserver.streaming.forwarded_streams import StreamPairs

    await StreamPairs(wire, ports, complaint=lambda port, error: _complaint(pod, port, error)).run()


async def _serve_channels(
    socket: web.WebSocketResponse, numbers: list[int], pod: Pod, ports: SandboxPorts
) -> None:
    from netemu.daemons.apiserver.streaming.forwarded_channels import ForwardedChannels

    forwarded = ForwardedChannels(
        socket, ports, complaint=lambda port, error: _complaint(pod, port, error)
    )
    await forwarded.run(numbers)
