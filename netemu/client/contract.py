"""The API as every component sees it, in its own process or across HTTPS."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Generic, Protocol, TypeVar

from netemu.model.authentication_v1 import TokenRequest
from netemu.model.schema import ApiObject

T = TypeVar("T", bound=ApiObject)


class PatchType(StrEnum):
    """The content type of a patch body."""

    MERGE = "application/merge-patch+json"
    JSON = "application/json-patch+json"
    STRATEGIC = "application/strategic-merge-patch+json"
    APPLY = "application/apply-patch+yaml"


class EventType(StrEnum):
    ADDED = "ADDED"
    MODIFIED = "MODIFIED"
    DELETED = "DELETED"
    BOOKMARK = "BOOKMARK"


@dataclass(frozen=True, slots=True)
class WatchEvent(Generic[T]):
    type: EventType
    object: T
    """Shared between all watchers: never change it, copy it."""


@dataclass(frozen=True, slots=True)
class Listing(Generic[T]):
    items: list[T]
    resource_version: str


class Client(Protocol):
    """One identity's access to the API server.

    Objects that come out of `list`, `get` and `watch` may be shared between all
    components of the process: treat them as immutable, change a
    `netemu.model.schema.copy_of(obj)`. Every method raises ApiError.
    """

    async def get(self, kind: type[T], name: str, namespace: str = "") -> T: ...

    async def list(
        self, kind: type[T], namespace: str = "", *, labels: str = "", fields: str = ""
    ) -> Listing[T]: ...

    def watch(
        self,
        kind: type[T],
        namespace: str = "",
        *,
        resource_version: str,
        labels: str = "",
        fields: str = "",
    ) -> AsyncIterator[WatchEvent[T]]:
        """Yield what happens after `resource_version`; ApiError `expired` when it is compacted."""

    async def create(self, obj: T) -> T: ...

    async def update(self, obj: T, *, subresource: str = "") -> T:
        """PUT. A resourceVersion in the object makes it conditional (409 Conflict)."""

    async def patch(
        self,
        kind: type[T],
        name: str,
        namespace: str,
        patch: Any,
        *,
        how: PatchType = PatchType.MERGE,
        subresource: str = "",
    ) -> T: ...

    async def delete(
        self,
        kind: type[ApiObject],
        name: str,
        namespace: str = "",
        *,
        uid: str = "",
        grace_period_s: int | None = None,
        propagation: str = "",
    ) -> None: ...

    async def bind(self, pod: str, namespace: str, node: str, *, uid: str = "") -> None:
        """POST pods/POD/binding; with `uid`, only if it is still that very Pod."""

    async def create_token(
        self, namespace: str, service_account: str, request: TokenRequest
    ) -> TokenRequest:
        """POST serviceaccounts/NAME/token; the answer's status holds the token."""

    async def close(self) -> None: ...
