"""Parts of objects, and things to do with them: scale, binding, eviction, token.

Each is a small write of our own on the object that it belongs to.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, cast

from netemu.core.apiserver import eviction as evictions
from netemu.core.apiserver import patch as patches
from netemu.core.apiserver.field_errors import bad_value, invalid_kind
from netemu.core.apiserver.scale import Scalable, scale_of, scaled
from netemu.daemons.apiserver.identity import TokenIssuer
from netemu.daemons.apiserver.refusals import bad_request, conflict, not_found
from netemu.daemons.apiserver.registry import Registry
from netemu.daemons.apiserver.watching import Kept
from netemu.errors import ApiError
from netemu.model import codec
from netemu.model.authentication_v1 import TokenRequest, TokenRequestStatus
from netemu.model.autoscaling_v1 import Scale
from netemu.model.clock import format_time
from netemu.model.core_v1 import Binding, Pod, PodCondition, ServiceAccount
from netemu.model.kinds import Resource, by_type
from netemu.model.policy_v1 import Eviction
from netemu.model.schema import copy_of

_SHORTEST_TOKEN_S = 600
_DEFAULT_TOKEN_S = 3600
_LONGEST_TOKEN_S = 365 * 24 * 3600


class Subresources:
    """What can be done with an object besides reading and writing it."""

    def __init__(
        self, *, registry: Registry, tokens: TokenIssuer, clock: Callable[[], datetime]
    ) -> None:
        self._registry = registry
        self._tokens = tokens
        self._clock = clock

    def scale(self, resource: Resource, namespace: str, name: str) -> Scale:
        return scale_of(cast("Scalable", self._registry.read(resource, namespace, name).obj))

    async def set_scale(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        scale: Scale,
        *,
        manager: str,
        dry_run: bool,
    ) -> Scale:
        present = self._registry.read(resource, namespace, name).obj
        wanted = scaled(cast("Scalable", present), scale)
        kept = await self._registry.update(
            resource,
            wanted,
            namespace=namespace,
            name=name,
            subresource="scale",
            dry_run=dry_run,
            manager=manager,
        )
        return scale_of(cast("Scalable", kept.obj))

    async def patch_scale(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        body: Any,
        patch_type: str,
        *,
        manager: str,
        dry_run: bool,
    ) -> Scale:
        current = codec.to_dict(self.scale(resource, namespace, name))
        merged = patches.apply_patch(Scale, current, body, patch_type)
        scale = codec.from_dict(merged, Scale)
        return await self.set_scale(
            resource, namespace, name, scale, manager=manager, dry_run=dry_run
        )

    async def bind(
        self, namespace: str, name: str, binding: Binding, *, dry_run: bool = False
    ) -> Kept:
        """Give a Pod its node, once."""
        node = binding.target.name
        if not node or binding.target.kind not in ("", "Node"):
            raise bad_request("a Pod is bound to a Node, by its name")

        def bound(pod: Pod) -> Pod:
            _check_same(pod, binding.metadata.uid)
            _check_bindable(pod)
            changed = copy_of(pod)
            changed.spec.node_name = node
            changed.metadata.annotations.update(binding.metadata.annotations)
            _set_scheduled(changed, self._clock())
            return changed

        return await self._registry.change(by_type(Pod), namespace, name, bound, dry_run=dry_run)

    async def evict(
        self, namespace: str, name: str, eviction: Eviction, *, dry_run: bool = False
    ) -> None:
        pod = cast("Pod", self._registry.read(by_type(Pod), namespace, name).obj)
        options = evictions.options_for(pod, eviction)
        if dry_run:
            options.dry_run = ["All"]
        await self._registry.delete(by_type(Pod), namespace, name, options)

    def token(self, namespace: str, name: str, request: TokenRequest) -> TokenRequest:
        """Issue a token for a ServiceAccount; it answers with the request, completed."""
        resource = by_type(ServiceAccount)
        account = cast("ServiceAccount", self._registry.read(resource, namespace, name).obj)
        seconds = _token_seconds(request)
        bound_to = request.spec.bound_object_ref
        node = ""
        if bound_to is not None:
            node = self._check_bound(namespace, request, account)
        request.spec.audiences = request.spec.audiences or [self._tokens.issuer]
        request.spec.expiration_seconds = seconds
        token, expires = self._tokens.issue(
            account,
            audiences=request.spec.audiences,
            lifetime=timedelta(seconds=seconds),
            bound_to=bound_to,
            node=node,
        )
        request.metadata.name, request.metadata.namespace = name, namespace
        request.metadata.creation_timestamp = format_time(self._clock())
        request.status = TokenRequestStatus(token=token, expiration_timestamp=format_time(expires))
        return request

    def _check_bound(self, namespace: str, request: TokenRequest, account: ServiceAccount) -> str:
        """Complete the reference to the Pod that the token is for; return the Pod's node."""
        bound_to = request.spec.bound_object_ref
        assert bound_to is not None
        if bound_to.kind != "Pod":
            message = f"cannot bind token to an object of kind {bound_to.kind!r}: only to a Pod"
            raise bad_request(message)
        pod = self._registry.get(Pod, bound_to.name, namespace)
        if pod is None:
            raise not_found(by_type(Pod), bound_to.name)
        if bound_to.uid and bound_to.uid != pod.metadata.uid:
            raise _conflicts(
                f"the UID in the bound object reference ({bound_to.uid}) does not match "
                f"the UID in record ({pod.metadata.uid})"
            )
        used = pod.spec.service_account_name
        if used != account.metadata.name:
            message = (
                f"cannot bind token for serviceaccount {account.metadata.name!r} to pod "
                f"running with different serviceaccount name {used!r}"
            )
            raise bad_request(message)
        bound_to.uid = pod.metadata.uid
        return pod.spec.node_name


def _token_seconds(request: TokenRequest) -> int:
    asked = request.spec.expiration_seconds
    seconds = _DEFAULT_TOKEN_S if asked is None else asked
    if seconds < _SHORTEST_TOKEN_S:
        detail = "may not specify a duration less than 10 minutes"
        error = bad_value("spec.expirationSeconds", seconds, detail)
        raise invalid_kind("authentication.k8s.io", "TokenRequest", "", [error])
    return min(seconds, _LONGEST_TOKEN_S)


def _check_same(pod: Pod, uid: str) -> None:
    """Refuse to bind another Pod of the same name: it may want another Node."""
    if uid and uid != pod.metadata.uid:
        raise conflict(
            by_type(Pod),
            pod.metadata.name,
            f"Precondition failed: UID in precondition: {uid}, "
            f"UID in object meta: {pod.metadata.uid}",
        )


def _check_bindable(pod: Pod) -> None:
    name = pod.metadata.name
    if pod.metadata.deletion_timestamp:
        why = f"pod {name} is being deleted, cannot be assigned to a host"
    elif pod.spec.node_name:
        why = f'pod {name} is already assigned to node "{pod.spec.node_name}"'
    else:
        return
    message = f'Operation cannot be fulfilled on pods/binding "{name}": {why}'
    raise ApiError(409, "Conflict", message, kind="pods/binding", name=name)


def _set_scheduled(pod: Pod, now: datetime) -> None:
    others = [c for c in pod.status.conditions if c.type != "PodScheduled"]
    scheduled = PodCondition(
        type="PodScheduled", status="True", last_transition_time=format_time(now)
    )
    pod.status.conditions = [*others, scheduled]


def _conflicts(message: str) -> ApiError:
    return ApiError(409, "Conflict", message)
