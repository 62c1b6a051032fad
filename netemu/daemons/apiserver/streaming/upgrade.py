"""The upgrade to SPDY/3.1, and which of a client's protocols is spoken on it."""

from __future__ import annotations

from collections.abc import Sequence

from aiohttp import web

from netemu.daemons.apiserver.refusals import bad_request
from netemu.daemons.apiserver.streaming.wire import UpgradedWire
from netemu.errors import ApiError

_SPDY = "SPDY/3.1"
_VERSION = "X-Stream-Protocol-Version"


def require_spdy(request: web.BaseRequest) -> None:
    """Refuse a request that asks for another upgrade, or for none; ApiError 400."""
    connection = request.headers.get("Connection", "")
    asked = [request.headers.get("Upgrade", "").lower()]
    if "upgrade" not in connection.lower() or asked == [""]:
        raise bad_request("Upgrade request required")
    if asked != [_SPDY.lower()]:
        headers = f'"Upgrade": {request.headers.getall("Upgrade")}'
        raise bad_request(f"unable to upgrade: missing upgrade headers in request: {headers}")


def choose_protocol(request: web.BaseRequest, ours: Sequence[str]) -> str:
    """Return the first protocol of the client that we speak; ApiError 400 or 403."""
    said = ",".join(request.headers.getall(_VERSION, []))
    theirs = [word.strip() for word in said.split(",") if word.strip()]
    if not theirs:
        raise bad_request(f"unable to upgrade: {_VERSION} is required")
    for protocol in theirs:
        if protocol in ours:
            return protocol
    raise ApiError(
        403,
        "Forbidden",
        "unable to upgrade: unable to negotiate protocol: "
        f"client supports [{' '.join(theirs)}], server accepts [{' '.join(ours)}]",
    )


async def upgrade(request: web.BaseRequest, protocol: str) -> UpgradedWire:
    """Answer 101."""
    return await UpgradedWire.open(request, {"Upgrade": _SPDY, _VERSION: protocol})
