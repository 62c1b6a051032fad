"""The registry as the clients in this process see it."""

from __future__ import annotations

from typing import Any

from netemu.client.contract import Listing
from netemu.core.apiserver.patch import APPLY
from netemu.daemons.apiserver.registry import Registry
from netemu.daemons.apiserver.selection import parse_selection
from netemu.daemons.apiserver.subresources import Subresources
from netemu.daemons.apiserver.watching import Watcher
from netemu.model.authentication_v1 import TokenRequest
from netemu.model.core_v1 import Binding, ObjectReference
from netemu.model.kinds import Resource
from netemu.model.meta_v1 import DeleteOptions, ObjectMeta
from netemu.model.schema import ApiObject


class LocalEngine:
    """Keeps `netemu.client.in_process.Engine`."""

    def __init__(self, registry: Registry, parts: Subresources, *, manager: str) -> None:
        self._registry = registry
        self._parts = parts
        self._manager = manager
        """Whom server-side apply takes for the writer."""

    def get(self, resource: Resource, namespace: str, name: str) -> ApiObject:
        return self._registry.read(resource, namespace, name).obj

    def list(self, resource: Resource, namespace: str, *, labels: str, fields: str) -> Listing[Any]:
        selection = parse_selection(resource, namespace=namespace, labels=labels, fields=fields)
        items = [kept.obj for kept in self._registry.cache(resource).select(selection)]
        return Listing(items, str(self._registry.revision))

    def watch(
        self, resource: Resource, namespace: str, *, after: int, labels: str, fields: str
    ) -> Watcher:
        selection = parse_selection(resource, namespace=namespace, labels=labels, fields=fields)
        return self._registry.cache(resource).watch(selection, after=after)

    async def create(self, resource: Resource, obj: ApiObject) -> ApiObject:
        kept = await self._registry.create(resource, obj, namespace=obj.metadata.namespace)
        return kept.obj

    async def update(self, resource: Resource, obj: ApiObject, *, subresource: str) -> ApiObject:
        meta = obj.metadata
        kept = await self._registry.update(
            resource,
            obj,
            namespace=meta.namespace,
            name=meta.name,
            subresource=subresource,
            manager=self._manager,
        )
        return kept.obj

    async def patch(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        patch: Any,
        *,
        how: str,
        subresource: str,
    ) -> ApiObject:
        if how == APPLY:
            kept, _ = await self._registry.apply(
                resource,
                namespace,
                name,
                patch,
                manager=self._manager,
                force=False,
                subresource=subresource,
            )
            return kept.obj
        kept = await self._registry.patch(
            resource,
            namespace,
            name,
            patch,
            how,
            subresource=subresource,
            manager=self._manager,
        )
        return kept.obj

    async def delete(
        self, resource: Resource, namespace: str, name: str, options: DeleteOptions
    ) -> None:
        await self._registry.delete(resource, namespace, name, options)

    async def bind(self, namespace: str, pod: str, node: str, *, uid: str) -> None:
        target = ObjectReference(kind="Node", name=node)
        binding = Binding(metadata=ObjectMeta(uid=uid), target=target)
        await self._parts.bind(namespace, pod, binding)

    def token(self, namespace: str, account: str, request: TokenRequest) -> TokenRequest:
        return self._parts.token(namespace, account, request)
