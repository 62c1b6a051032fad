"""The client of components that live in the API server's own process.

Reads hand out the server's own objects, shared by all: no bytes are made. A write copies
what it is given once, so that the caller may go on changing it, and is encoded once, for
the store.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Protocol, TypeVar, cast

from netemu.client.contract import Listing, PatchType, WatchEvent
from netemu.model.authentication_v1 import TokenRequest, UserInfo
from netemu.model.kinds import Resource, by_type
from netemu.model.meta_v1 import DeleteOptions, Preconditions
from netemu.model.schema import ApiObject, copy_of

T = TypeVar("T", bound=ApiObject)


class OpenWatch(Protocol):
    """A watch that is already fed by the server."""

    def fetch(self) -> WatchEvent[Any] | None:
        """Return the next event, if there is one already."""

    async def wait(self) -> bool:
        """Wait for the next event; False when there will be none any more."""

    def close(self) -> None: ...


class Engine(Protocol):
    """What the API server offers to its own process. Every method raises ApiError."""

    def get(self, resource: Resource, namespace: str, name: str) -> ApiObject: ...

    def list(
        self, resource: Resource, namespace: str, *, labels: str, fields: str
    ) -> Listing[Any]: ...

    def watch(
        self, resource: Resource, namespace: str, *, after: int, labels: str, fields: str
    ) -> OpenWatch: ...

    async def create(self, resource: Resource, obj: ApiObject) -> ApiObject:
        """Store `obj`, which is the server's from now on."""

    async def update(
        self, resource: Resource, obj: ApiObject, *, subresource: str
    ) -> ApiObject: ...

    async def patch(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        patch: Any,
        *,
        how: str,
        subresource: str,
    ) -> ApiObject: ...

    async def delete(
        self, resource: Resource, namespace: str, name: str, options: DeleteOptions
    ) -> None: ...

    async def bind(self, namespace: str, pod: str, node: str, *, uid: str) -> None: ...

    def token(self, namespace: str, account: str, request: TokenRequest) -> TokenRequest: ...


class InProcessClient:
    """Keeps the `Client` contract without HTTP."""

    def __init__(self, engine: Engine, user: UserInfo) -> None:
        self._engine = engine
        self.user = user

    async def get(self, kind: type[T], name: str, namespace: str = "") -> T:
        return cast("T", self._engine.get(by_type(kind), namespace, name))

    async def list(
        self, kind: type[T], namespace: str = "", *, labels: str = "", fields: str = ""
    ) -> Listing[T]:
        return self._engine.list(by_type(kind), namespace, labels=labels, fields=fields)

    async def watch(
        self,
        kind: type[T],
        namespace: str = "",
        *,
        resource_version: str,
        labels: str = "",
        fields: str = "",
    ) -> AsyncIterator[WatchEvent[T]]:
        events = self._engine.watch(
            by_type(kind), namespace, after=int(resource_version), labels=labels, fields=fields
        )
        try:
            while await events.wait():
                while (event := events.fetch()) is not None:
                    yield event
        finally:
            events.close()

    async def create(self, obj: T) -> T:
        return cast("T", await self._engine.create(by_type(type(obj)), copy_of(obj)))

    async def update(self, obj: T, *, subresource: str = "") -> T:
        updated = await self._engine.update(
            by_type(type(obj)), copy_of(obj), subresource=subresource
        )
        return cast("T", updated)

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
        patched = await self._engine.patch(
            by_type(kind), namespace, name, patch, how=how, subresource=subresource
        )
        return cast("T", patched)

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
        await self._engine.delete(by_type(kind), namespace, name, options)

    async def bind(self, pod: str, namespace: str, node: str, *, uid: str = "") -> None:
        await self._engine.bind(namespace, pod, node, uid=uid)

    async def create_token(
        self, namespace: str, service_account: str, request: TokenRequest
    ) -> TokenRequest:
        return self._engine.token(namespace, service_account, copy_of(request))

    async def close(self) -> None:
        """Nothing is held open."""


def delete_options(uid: str, grace_period_s: int | None, propagation: str) -> DeleteOptions:
    return DeleteOptions(
        grace_period_seconds=grace_period_s,
        preconditions=Preconditions(uid=uid) if uid else None,
        propagation_policy=propagation or None,
    )
