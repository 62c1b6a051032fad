"""The client of components that share the API server's process, but not its network.

It is the in-process one behind a gate: what a node says and hears passes only while the
node reaches the API server. Requests fail where they would, and watches are silent.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Protocol, TypeVar

import msgspec

from netemu.client.contract import Client, Listing, PatchType, WatchEvent
from netemu.client.status import error_from
from netemu.errors import ApiError
from netemu.model import codec
from netemu.model.authentication_v1 import TokenRequest
from netemu.model.coordination_v1 import Lease
from netemu.model.kinds import by_type
from netemu.model.schema import ApiObject

T = TypeVar("T", bound=ApiObject)


class Gate(Protocol):
    """Whether the API server can be reached from where the component plays."""

    @property
    def fresh(self) -> bool:
        """Whether it was reached a moment ago."""

    async def reach(self) -> None:
        """Return when it is reached; ApiError if it is not."""

    async def reached(self) -> None:
        """Wait until it is reached."""

    async def request(self, method: str, path: str, body: bytes = b"") -> tuple[int, bytes]:
        """Ask it over the network; ApiError if there is no answer."""


class GatedClient:
    """Keeps the `Client` contract. Leases travel as bytes: they are what says "I live"."""

    def __init__(self, client: Client, gate: Gate) -> None:
        self._client = client
        self._gate = gate

    async def get(self, kind: type[T], name: str, namespace: str = "") -> T:
        await self._gate.reach()
        return await self._client.get(kind, name, namespace)

    async def list(
        self, kind: type[T], namespace: str = "", *, labels: str = "", fields: str = ""
    ) -> Listing[T]:
        await self._gate.reached()
        return await self._client.list(kind, namespace, labels=labels, fields=fields)

    async def watch(
        self,
        kind: type[T],
        namespace: str = "",
        *,
        resource_version: str,
        labels: str = "",
        fields: str = "",
    ) -> AsyncIterator[WatchEvent[T]]:
        gate = self._gate
        events = self._client.watch(
            kind, namespace, resource_version=resource_version, labels=labels, fields=fields
        )
        async for event in events:
            if not gate.fresh:
                await gate.reached()
            yield event

    async def create(self, obj: T) -> T:
        await self._gate.reach()
        return await self._client.create(obj)

    async def update(self, obj: T, *, subresource: str = "") -> T:
        if isinstance(obj, Lease):
            meta = obj.metadata
            path = by_type(Lease).path(meta.namespace, meta.name)
            status, body = await self._gate.request("PUT", path, codec.encode(obj))
            if status >= 400:
                raise _failure(status, body)
            return codec.decode_stored(body, type(obj))
        await self._gate.reach()
        return await self._client.update(obj, subresource=subresource)

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
        await self._gate.reach()
        return await self._client.patch(
            kind, name, namespace, patch, how=how, subresource=subresource
        )

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
        await self._gate.reach()
        await self._client.delete(
            kind,
            name,
            namespace,
            uid=uid,
            grace_period_s=grace_period_s,
            propagation=propagation,
        )

    async def bind(self, pod: str, namespace: str, node: str, *, uid: str = "") -> None:
        await self._gate.reach()
        await self._client.bind(pod, namespace, node, uid=uid)

    async def create_token(
        self, namespace: str, service_account: str, request: TokenRequest
    ) -> TokenRequest:
        await self._gate.reach()
        return await self._client.create_token(namespace, service_account, request)

    async def close(self) -> None:
        await self._client.close()


def _failure(status: int, body: bytes) -> ApiError:
    try:
        return error_from(msgspec.json.decode(body, type=dict), status)
    except msgspec.DecodeError:
        return ApiError(status, "", body.decode(errors="replace"))
