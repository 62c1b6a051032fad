"""exec and attach: the client's protocol is chosen, the session started, the two joined."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import web

from netemu.daemons.apiserver.options import flag
from netemu.daemons.apiserver.refusals import bad_request
from netemu.daemons.apiserver.streaming import upgrade, websocket_channels
from netemu.daemons.apiserver.streaming.channels import Bridge, Channel
from netemu.host.contract import ExecSession


async def serve_session(
    request: web.BaseRequest, start: Callable[[], Awaitable[ExecSession]]
) -> web.StreamResponse:
    """Start a session and serve it to its end; ApiError before the upgrade."""
    expected = _expected(request)
    if websocket_channels.is_websocket(request):
        protocol = websocket_channels.choose_protocol(request, websocket_channels.PROTOCOLS)
    else:
        from netemu.daemons.apiserver.streaming import spdy_channels

        upgrade.require_spdy(request)
        protocol = upgrade.choose_protocol(request, spdy_channels.PROTOCOLS)
    session = await start()
    try:
        if websocket_channels.is_websocket(request):
            socket = await websocket_channels.open_socket(request, protocol)
            bridge = Bridge(websocket_channels.WebSocketChannels(socket), session)
            reply: web.StreamResponse = socket
        else:
            wire = await upgrade.upgrade(request, protocol)
            channels = spdy_channels.SpdyChannels(wire, expected, protocol=protocol)
            bridge, reply = Bridge(channels, session), wire.reply
        await bridge.run(takes_stdin=Channel.STDIN in expected)
    finally:
        await session.kill()
    return reply


def _expected(request: web.BaseRequest) -> set[Channel]:
    """Return the channels that the request speaks of; ApiError 400 if they carry nothing."""
    query = request.query
    tty = flag(query, "tty")
    found = {
        channel
        for channel in (Channel.STDIN, Channel.STDOUT, Channel.STDERR)
        if flag(query, channel.name.lower())
    }
    if not found:
        raise bad_request("you must specify at least 1 of stdin, stdout, stderr")
    if tty:  # A terminal has one output, and a size.
        found.discard(Channel.STDERR)
        found.add(Channel.RESIZE)
    return found | {Channel.ERROR}
