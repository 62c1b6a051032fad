"""A user of the API over HTTPS, who tries again only when the connection fails."""

from __future__ import annotations

import asyncio
import json
import ssl
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp

from netemu.client.kubeconfig import load_kubeconfig

COMES_BACK_WITHIN_S = 60.0
_ANSWERS_WITHIN_S = 20.0
_AGAIN_S = 0.03


class Lost(Exception):  # noqa: N818 - what became of the request.
    """The connection failed: nobody knows what the server did."""


class Unreachable(Lost):
    """There was no connection, so the server has done nothing."""


class Refused(Exception):  # noqa: N818
    """The server answered, and the answer is no."""

    def __init__(self, method: str, path: str, status: int, body: Any) -> None:
        message = body.get("message", body) if isinstance(body, dict) else body
        super().__init__(f"{method} {path}: {status} {message}")
        self.status = status


class ApiUser:
    """Speaks JSON to one cluster."""

    def __init__(self, kubeconfig: Path) -> None:
        access = load_kubeconfig(kubeconfig)
        context = ssl.create_default_context(cadata=access.ca_pem.decode())
        with tempfile.NamedTemporaryFile() as pair:
            pair.write(access.certificate_pem + access.key_pem)
            pair.flush()
            context.load_cert_chain(pair.name)
        self._session = aiohttp.ClientSession(
            base_url=access.server,
            connector=aiohttp.TCPConnector(ssl=context, limit=0),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=_ANSWERS_WITHIN_S),
        )
        # It would repeat a PUT or a DELETE behind our back, which is ours to know.
        self._session._retry_connection = False

    async def close(self) -> None:
        await self._session.close()

    async def call(self, method: str, path: str, body: Any = None, *, patch: bool = False) -> Any:
        """Return the answer; Refused if it is no, Lost if there is none."""
        kind = "application/merge-patch+json" if patch else "application/json"
        data = None if body is None else json.dumps(body)
        try:
            async with (
                asyncio.timeout(_ANSWERS_WITHIN_S),
                self._session.request(
                    method, path, data=data, headers={"Content-Type": kind}
                ) as reply,
            ):
                answer = json.loads(await reply.read())
        except aiohttp.ClientConnectorError as error:
            raise Unreachable(repr(error)) from error
        except (aiohttp.ClientError, ConnectionError) as error:
            raise Lost(repr(error)) from error
        if reply.status >= 400:
            raise Refused(method, path, reply.status, answer)
        return answer

    async def read(self, path: str) -> Any:
        """GET, as often as it takes; None if there is no such object."""
        async with asyncio.timeout(COMES_BACK_WITHIN_S):
            while True:
                try:
                    return await self.call("GET", path)
                except Lost:
                    await asyncio.sleep(_AGAIN_S)
                except Refused as refusal:
                    if refusal.status != 404:
                        raise
                    return None

    async def watch(self, path: str, **query: str) -> AsyncIterator[Any]:
        """Yield None once it has begun, then events until the connection ends or fails."""
        query = {"watch": "true", "allowWatchBookmarks": "true", **query}
        try:
            async with self._session.get(path, params=query) as reply:
                if reply.status != 200:
                    raise Refused("WATCH", path, reply.status, await reply.text())
                yield None
                async for line in reply.content:
                    if line.endswith(b"\n"):
                        yield json.loads(line)
        except (aiohttp.ClientError, ConnectionError) as error:
            raise Lost(repr(error)) from error
