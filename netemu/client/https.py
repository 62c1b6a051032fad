"""The client of everybody who is not in the API server's process.

It behaves as the in-process one does, but for time and for what the network adds: a
server that cannot be reached is an ApiError 503, and a watch that breaks off just ends.
"""

from __future__ import annotations

import random
import ssl
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from netemu.client.certificates import load_pair
from netemu.client.contract import EventType, Listing, PatchType, WatchEvent
from netemu.client.in_process import delete_options
from netemu.client.kubeconfig import ApiAccess
from netemu.client.lean_aiohttp import aiohttp
from netemu.client.status import error_from
from netemu.errors import ApiError, UserError
from netemu.model import codec
from netemu.model.authentication_v1 import TokenRequest
from netemu.model.core_v1 import Binding, ObjectReference, Pod, ServiceAccount
from netemu.model.kinds import by_type
from netemu.model.meta_v1 import ObjectMeta
from netemu.model.schema import ApiObject

T = TypeVar("T", bound=ApiObject)

_JSON = {"Content-Type": "application/json"}
_TIMEOUT_S = 30.0
_WATCH_S = (300, 600)
_LONGEST_LINE = 8 * 1024 * 1024


class _Line(msgspec.Struct):
    """One line of a watch."""

    type: str
    object: msgspec.Raw


class _BookmarkMeta(msgspec.Struct, rename="camel"):
    resource_version: str


class _Bookmark(msgspec.Struct):
    """An object that is nothing but a revision: what else it says is null."""

    metadata: _BookmarkMeta


_decode_line = msgspec.json.Decoder(_Line).decode
_decode_bookmark = msgspec.json.Decoder(_Bookmark).decode
_to_json = msgspec.json.Encoder().encode


class HttpsClient:
    """Keeps the `Client` contract over HTTPS."""

    def __init__(
        self, access: ApiAccess, *, user_agent: str = "netemu", dry_run: bool = False
    ) -> None:
        """With `dry_run` the server checks whatever is written, and stores nothing."""
        self.access = access
        self._dry_run = dry_run
        self._tls = tls_context(access)
        self._user_agent = user_agent
        self._session: aiohttp.ClientSession | None = None

    async def get(self, kind: type[T], name: str, namespace: str = "") -> T:
        path = by_type(kind).path(namespace, name)
        return codec.decode_stored(await self._request("GET", path), kind)

    async def list(
        self, kind: type[T], namespace: str = "", *, labels: str = "", fields: str = ""
    ) -> Listing[T]:
        path = by_type(kind).path(namespace)
        body = await self._request("GET", path, _selectors(labels, fields))
        listed = codec.decode_list(body, kind)
        return Listing(listed.items, listed.metadata.resource_version)

    async def watch(
        self,
        kind: type[T],
        namespace: str = "",
        *,
        resource_version: str,
        labels: str = "",
        fields: str = "",
    ) -> AsyncIterator[WatchEvent[T]]:
        query = _selectors(labels, fields) | {
            "watch": "true",
            "resourceVersion": resource_version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(random.randint(*_WATCH_S)),
        }
        path = by_type(kind).path(namespace)
        try:
            async with self._open().get(
                self.access.server + path,
                params=query,
                headers=self._headers(),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=_TIMEOUT_S),
            ) as reply:
                if reply.status != 200:
                    raise _failure(reply.status, await reply.read())
                async for line in reply.content:
                    yield _event(line, kind)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise self._unreachable(error) from error

    async def create(self, obj: T) -> T:
        path = by_type(type(obj)).path(obj.metadata.namespace)
        body = await self._request("POST", path, body=codec.encode(obj), headers=_JSON)
        return codec.decode_stored(body, type(obj))

    async def update(self, obj: T, *, subresource: str = "") -> T:
        meta = obj.metadata
        path = by_type(type(obj)).path(meta.namespace, meta.name, subresource)
        body = await self._request("PUT", path, body=codec.encode(obj), headers=_JSON)
        return codec.decode_stored(body, type(obj))

    async def patch(
        self,
        kind: type[T],
        name: str,
        namespace: str,
        patch: Any,
        *,
        how: PatchType = PatchType.MERGE,
        subresource: str = "",
    ) -> T:
        path = by_type(kind).path(namespace, name, subresource)
        headers = {"Content-Type": str(how)}
        body = await self._request("PATCH", path, body=_to_json(patch), headers=headers)
        return codec.decode_stored(body, kind)

    async def delete(
        self,
        kind: type[ApiObject],
        name: str,
        namespace: str = "",
        *,
        uid: str = "",
        grace_period_s: int | None = None,
        propagation: str = "",
    ) -> None:
        options = delete_options(uid, grace_period_s, propagation)
        path = by_type(kind).path(namespace, name)
        await self._request("DELETE", path, body=codec.encode(options), headers=_JSON)

    async def bind(self, pod: str, namespace: str, node: str, *, uid: str = "") -> None:
        binding = Binding(
            metadata=ObjectMeta(name=pod, namespace=namespace, uid=uid),
            target=ObjectReference(kind="Node", name=node),
        )
        path = by_type(Pod).path(namespace, pod, "binding")
        await self._request("POST", path, body=codec.encode(binding), headers=_JSON)

    async def create_token(
        self, namespace: str, service_account: str, request: TokenRequest
    ) -> TokenRequest:
        path = by_type(ServiceAccount).path(namespace, service_account, "token")
        body = await self._request("POST", path, body=codec.encode(request), headers=_JSON)
        return codec.decode_stored(body, TokenRequest)

    async def read_text(self, path: str, query: dict[str, str] | None = None) -> str:
        """GET any path: `/healthz`, `/version`, `/metrics`."""
        return (await self._request("GET", path, query)).decode()

    async def read_as(self, path: str, accept: str, query: dict[str, str] | None = None) -> bytes:
        """GET a path in another form than an object's: a Table, a document."""
        return await self._request("GET", path, query, headers={"Accept": accept})

    async def stream(self, path: str, query: dict[str, str]) -> AsyncIterator[bytes]:
        """Yield what a path says, as it says it, for as long as it does: logs."""
        try:
            async with self._open().get(
                self.access.server + path,
                params=query,
                headers=self._headers(),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=_TIMEOUT_S),
            ) as reply:
                if reply.status >= 400:
                    raise _failure(reply.status, await reply.read())
                async for data in reply.content.iter_any():
                    yield data
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise self._unreachable(error) from error

    async def websocket(
        self, path: str, query: Sequence[tuple[str, str]], *, protocols: tuple[str, ...]
    ) -> aiohttp.ClientWebSocketResponse:
        """Open a WebSocket; an answer that is no upgrade is the ApiError it says."""
        try:
            return await self._open().ws_connect(
                self.access.server + path,
                params=query,
                headers=self._headers(),
                protocols=protocols,
                max_msg_size=_LONGEST_LINE,
            )
        except aiohttp.WSServerHandshakeError as error:
            # The handshake drops the body: the same request without an upgrade says why.
            await self._request("GET", path, dict(query))
            raise ApiError(error.status, "", error.message) from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise self._unreachable(error) from error

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            # A connection for each watch, and no cap on them: they stay open.
            connector = aiohttp.TCPConnector(limit=0, ssl=self._tls)
            self._session = aiohttp.ClientSession(
                connector=connector,
                read_bufsize=_LONGEST_LINE,
                timeout=aiohttp.ClientTimeout(total=_TIMEOUT_S),
                # Proxies of the environment are not for an API server on this host.
                trust_env=False,
            )
        return self._session

    def _headers(self) -> dict[str, str]:
        headers = {"Accept": "application/json", "User-Agent": self._user_agent}
        token = self.access.token
        if not token and self.access.token_file:
            token = _read_token(self.access.token_file)
        if token:
            headers["Authorization"] = f"Bearer {token}"
        return headers

    async def _request(
        self,
        method: str,
        path: str,
        query: dict[str, str] | None = None,
        *,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> bytes:
        if self._dry_run and method != "GET":
            query = {**(query or {}), "dryRun": "All"}
        try:
            async with self._open().request(
                method,
                self.access.server + path,
                params=query,
                data=body,
                headers=self._headers() | (headers or {}),
            ) as reply:
                answer = await reply.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise self._unreachable(error) from error
        if reply.status >= 400:
            raise _failure(reply.status, answer)
        return answer

    def _unreachable(self, error: BaseException) -> ApiError:
        said = str(error) or type(error).__name__
        message = f"the API server at {self.access.server} cannot be reached: {said}"
        return ApiError(503, "ServiceUnavailable", message)


def _selectors(labels: str, fields: str) -> dict[str, str]:
    selectors = {"labelSelector": labels, "fieldSelector": fields}
    return {name: text for name, text in selectors.items() if text}


def _event(line: bytes, kind: type[T]) -> WatchEvent[T]:
    try:
        decoded = _decode_line(line)
        if decoded.type == "ERROR":
            raise error_from(msgspec.json.decode(decoded.object), 500)
        if decoded.type == "BOOKMARK":
            revision = _decode_bookmark(decoded.object).metadata.resource_version
            metadata = ObjectMeta(resource_version=revision)
            return WatchEvent(EventType.BOOKMARK, kind(metadata=metadata))
        return WatchEvent(EventType(decoded.type), codec.decode_stored(bytes(decoded.object), kind))
    except (msgspec.DecodeError, ValueError) as error:
        # The server died in the middle of a line.
        raise ApiError(503, "ServiceUnavailable", f"the watch broke off: {error}") from error


def _failure(status: int, body: bytes) -> ApiError:
    try:
        said = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        said = None
    if isinstance(said, dict) and said.get("kind") == "Status":
        return error_from(said, status)
    return ApiError(status, "", body.decode(errors="replace").strip() or f"HTTP status {status}")


def _read_token(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""  # The server will say what it thinks of that.


def tls_context(access: ApiAccess) -> ssl.SSLContext:
    """Return what recognises the server, and shows it who we are."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if access.ca_pem:
        context.load_verify_locations(cadata=access.ca_pem.decode())
    else:
        context.load_default_certs()
    if access.certificate_pem:
        _load_certificate(context, access)
    return context


def _load_certificate(context: ssl.SSLContext, access: ApiAccess) -> None:
    try:
        load_pair(context, access.certificate_pem, access.key_pem)
    except ssl.SSLError as error:
        raise UserError(f"the client certificate and its key are no pair: {error}") from error
