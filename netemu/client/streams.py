"""exec, seen from the client: a WebSocket whose messages begin with their channel.

The protocol is v5.channel.k8s.io (kube-api.md, 5): 0 stdin, 1 stdout, 2 stderr, 3 the
final Status, 4 terminal sizes, 255 closes the channel that follows.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator, Sequence
from typing import Any

from netemu.client.https import HttpsClient
from netemu.client.lean_aiohttp import aiohttp
from netemu.errors import ApiError
from netemu.model.core_v1 import Pod
from netemu.model.kinds import by_type

_PROTOCOL = "v5.channel.k8s.io"
_STDIN, _STDOUT, _STDERR, _STATUS, _RESIZE, _CLOSE = 0, 1, 2, 3, 4, 255


class RemoteExec:
    """One command in a container, over the API."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self.exit_code = 0
        """True once `output` has ended."""

    @classmethod
    async def start(
        cls,
        client: HttpsClient,
        pod: Pod,
        argv: Sequence[str],
        *,
        container: str = "",
        stdin: bool = False,
        tty: bool = False,
    ) -> RemoteExec:
        """Start the command; ApiError if the Pod, the container or the program is not there."""
        meta = pod.metadata
        path = by_type(Pod).path(meta.namespace, meta.name, "exec")
        query = [("command", word) for word in argv]
        query += [("stdout", "true"), ("stderr", "false" if tty else "true")]
        query += [("stdin", "true" if stdin else "false"), ("tty", "true" if tty else "false")]
        if container:
            query.append(("container", container))
        return cls(await client.websocket(path, query, protocols=(_PROTOCOL,)))

    async def output(self) -> AsyncIterator[tuple[int, bytes]]:
        """Yield (1 or 2, bytes) to the end; ApiError if the command could not be run."""
        finished = False
        async for message in self._socket:
            if message.type is not aiohttp.WSMsgType.BINARY or not message.data:
                continue
            channel, data = message.data[0], message.data[1:]
            if channel in (_STDOUT, _STDERR) and data:
                yield channel, data
            elif channel == _STATUS:
                finished = True
                self.exit_code = _exit_code(json.loads(data))
        if not finished:
            raise ApiError(500, "InternalError", "the connection broke before the command ended")

    async def write(self, data: bytes) -> None:
        await self._send(bytes([_STDIN]) + data)

    async def end_input(self) -> None:
        await self._send(bytes([_CLOSE, _STDIN]))

    async def resize(self, *, width: int, height: int) -> None:
        size = json.dumps({"Width": width, "Height": height})
        await self._send(bytes([_RESIZE]) + size.encode())

    async def _send(self, message: bytes) -> None:
        # A command that has ended reads no more: that is not the writer's failure.
        with contextlib.suppress(ConnectionError, aiohttp.ClientError):
            await self._socket.send_bytes(message)

    async def close(self) -> None:
        await self._socket.close()


def _exit_code(status: dict[str, Any]) -> int:
    if status.get("status") == "Success":
        return 0
    causes = (status.get("details") or {}).get("causes") or []
    for cause in causes:
        if cause.get("reason") == "ExitCode":
            return int(cause["message"])
    code, reason = int(status.get("code") or 500), str(status.get("reason") or "InternalError")
    raise ApiError(code, reason, str(status.get("message")))


async def run_in_pod(
    client: HttpsClient, pod: Pod, argv: Sequence[str], *, container: str = ""
) -> tuple[int, bytes]:
    """Run a command to its end; return exit code and joined output."""
    session = await RemoteExec.start(client, pod, argv, container=container)
    try:
        parts = [data async for _, data in session.output()]
    finally:
        await session.close()
    return session.exit_code, b"".join(parts)
