"""The daemon's ear: told that the settings have changed, it answers when they are true.

A Unix socket in the cluster's run folder, which is root's. Each connection brings one line
and gets one line back. What is wanted stands in the settings, never in the message: a
daemon that dies in between finds there what it has to do.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import msgspec

from netemu.errors import HostError, NetemuError
from netemu.host.clusters import ClusterFolders

_ANSWERS_WITHIN_S = 60.0


class Wish(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What the daemon is asked for: to make the settings true."""

    wait_for: str = ""
    """A node to wait for, until it is Ready."""


class Outcome(msgspec.Struct, kw_only=True, omit_defaults=True):
    error: str = ""


def socket_path(cluster: str) -> Path:
    return ClusterFolders(cluster).run / "control.sock"


@contextlib.asynccontextmanager
async def listening(
    cluster: str, converge: Callable[[Wish], Awaitable[None]]
) -> AsyncIterator[None]:
    """Answer whoever asks, for as long as the context lasts."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        outcome = Outcome()
        try:
            with contextlib.suppress(ConnectionError):
                wish = msgspec.json.decode(await reader.readline(), type=Wish)
                await converge(wish)
        except (NetemuError, TimeoutError, ValueError, msgspec.DecodeError) as error:
            outcome.error = str(error)  # ValueError: a line that does not end.
        with contextlib.suppress(ConnectionError):
            writer.write(msgspec.json.encode(outcome) + b"\n")
            await writer.drain()
        writer.close()

    path = socket_path(cluster)
    path.unlink(missing_ok=True)
    server = await asyncio.start_unix_server(answer, path=path)
    os.chmod(path, 0o600)
    async with server:
        yield


def ask(cluster: str, wish: Wish) -> None:
    """Have the daemon make the settings true; HostError with what stood in the way."""
    doing = f'changing cluster "{cluster}"'
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(_ANSWERS_WITHIN_S)
            connection.connect(str(socket_path(cluster)))
            connection.sendall(msgspec.json.encode(wish) + b"\n")
            with connection.makefile("rb") as answers:
                line = answers.readline()
    except OSError as error:
        raise HostError(doing, where="its daemon", answer=str(error)) from error
    if not line:
        raise HostError(doing, answer="its daemon ended meanwhile; the next one goes on")
    outcome = msgspec.json.decode(line, type=Outcome)
    if outcome.error:
        raise HostError(doing, answer=outcome.error)
