"""POST, PUT, PATCH and DELETE: bodies in, objects out."""

from __future__ import annotations

from typing import Any, cast

import msgspec
from aiohttp import web

from netemu.core.apiserver.apply import default_manager
from netemu.core.apiserver.negotiation import JSON
from netemu.core.apiserver.patch import APPLY, PATCH_TYPES, unsupported_media_type
from netemu.daemons.apiserver.options import (
    WriteOptions,
    flag,
    strict_decoding_error,
    write_options,
)
from netemu.daemons.apiserver.paths import Target
from netemu.daemons.apiserver.reads import Reads
from netemu.daemons.apiserver.refusals import bad_request, invalid_options
from netemu.daemons.apiserver.registry import Registry
from netemu.daemons.apiserver.replies import json_reply
from netemu.daemons.apiserver.selection import parse_selection
from netemu.daemons.apiserver.watching import Kept
from netemu.errors import ApiError
from netemu.model import codec
from netemu.model.kinds import Resource
from netemu.model.meta_v1 import DeleteOptions
from netemu.model.schema import ApiObject, ApiStruct

_parse_json = msgspec.json.Decoder().decode


class Body:
    """A decoded request body, and what the client is warned of."""

    def __init__(self, obj: Any, warnings: list[str]) -> None:
        self.obj = obj
        self.warnings = warnings


async def read_body(
    request: web.BaseRequest, expected: type[ApiStruct], options: WriteOptions
) -> Body:
    """Decode the body as an `expected`; ApiError 400 or 415 if it is none."""
    data = await read_bytes(request)
    decoded = codec.decode(
        data,
        content_type=request.headers.get("Content-Type", ""),
        expected=expected,
        strict=options.validation != "Ignore",
    )
    complaints = [f'unknown field "{path}"' for path in decoded.unknown]
    complaints += [f'duplicate field "{path}"' for path in decoded.duplicates]
    if complaints and options.validation == "Strict":
        version = getattr(expected, "API_VERSION", "v1").rpartition("/")[2]
        raise strict_decoding_error(expected.__name__, version, complaints)
    return Body(decoded.obj, complaints if options.validation == "Warn" else [])


async def read_bytes(request: web.BaseRequest) -> bytes:
    try:
        return await request.read()
    except web.HTTPRequestEntityTooLarge:
        message = "Request entity too large: limit is 3145728"
        raise ApiError(413, "RequestEntityTooLarge", message) from None


async def read_patch(request: web.BaseRequest) -> tuple[Any, str]:
    """Return a patch and its type; ApiError 400 or 415."""
    patch_type = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if patch_type not in PATCH_TYPES:
        raise unsupported_media_type()
    data = await read_bytes(request)
    if patch_type == APPLY and not data.lstrip().startswith(b"{"):
        return codec.parse_yaml(data), patch_type
    try:
        return _parse_json(data), patch_type
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise bad_request(f"error decoding patch: {error}") from error


def manager_of(request: web.BaseRequest, options: WriteOptions) -> str:
    """Return whom a write is recorded under."""
    return options.manager or default_manager(request.headers.get("User-Agent", ""))


class Writes:
    """Makes the writes that requests ask for."""

    def __init__(self, *, registry: Registry, reads: Reads) -> None:
        self._registry = registry
        self._reads = reads

    async def create(self, request: web.BaseRequest, target: Target) -> web.Response:
        options = write_options(request.query)
        resource = target.resource
        body = await read_body(request, resource.type, options)
        kept = await self._registry.create(
            resource, body.obj, namespace=target.namespace, dry_run=options.dry_run
        )
        return self._reply(request, target, kept, body.warnings, code=201)

    async def update(self, request: web.BaseRequest, target: Target) -> web.Response:
        options = write_options(request.query)
        resource = target.resource
        body = await read_body(request, resource.type, options)
        kept = await self._registry.update(
            resource,
            body.obj,
            namespace=target.namespace,
            name=target.name,
            subresource=target.subresource,
            dry_run=options.dry_run,
            manager=manager_of(request, options),
        )
        return self._reply(request, target, kept, body.warnings)

    async def patch(self, request: web.BaseRequest, target: Target) -> web.Response:
        options = write_options(request.query)
        patch, patch_type = await read_patch(request)
        if patch_type == APPLY:
            return await self._apply(request, target, patch, options)
        if options.force:
            text = "Forbidden: may not be specified for non-apply patch"
            raise invalid_options("PatchOptions", "force", "FieldValueForbidden", text)
        warnings: list[str] = []

        def on_unknown(paths: list[str]) -> None:
            complaints = [f'unknown field "{path}"' for path in paths]
            if complaints and options.validation == "Strict":
                resource = target.resource
                raise strict_decoding_error(resource.kind, resource.version, complaints)
            warnings.extend(complaints if options.validation == "Warn" else [])

        kept = await self._registry.patch(
            target.resource,
            target.namespace,
            target.name,
            patch,
            patch_type,
            subresource=target.subresource,
            dry_run=options.dry_run,
            manager=manager_of(request, options),
            on_unknown=on_unknown,
        )
        return self._reply(request, target, kept, warnings)

    async def _apply(
        self, request: web.BaseRequest, target: Target, wanted: Any, options: WriteOptions
    ) -> web.Response:
        kept, created = await self._registry.apply(
            target.resource,
            target.namespace,
            target.name,
            wanted,
            manager=options.manager,
            force=options.force,
            subresource=target.subresource,
            dry_run=options.dry_run,
        )
        return self._reply(request, target, kept, [], code=201 if created else 200)

    async def delete(self, request: web.BaseRequest, target: Target) -> web.Response:
        options = await _delete_options(request)
        deleted = await self._registry.delete(
            target.resource, target.namespace, target.name, options
        )
        if isinstance(deleted.answer, ApiObject):
            return self._reply(request, target, deleted.kept, [])
        return json_reply(codec.encode(deleted.answer))

    async def delete_collection(self, request: web.BaseRequest, target: Target) -> web.Response:
        options = await _delete_options(request)
        selection = parse_selection(
            target.resource,
            namespace=target.namespace,
            labels=request.query.get("labelSelector", ""),
            fields=request.query.get("fieldSelector", ""),
        )
        deleted = await self._registry.delete_collection(target.resource, selection, options)
        return json_reply(_list_of(target.resource, deleted, self._registry.revision))

    def _reply(
        self,
        request: web.BaseRequest,
        target: Target,
        kept: Kept,
        warnings: list[str],
        *,
        code: int = 200,
    ) -> web.Response:
        renderer = self._reads.renderer(request, target)
        reply = json_reply(renderer.object(kept), code=code, warnings=warnings)
        if not renderer.plain or renderer.content_type != JSON:
            reply.headers["Content-Type"] = renderer.content_type
        return reply


def _list_of(resource: Resource, items: list[Kept], revision: int) -> bytes:
    return codec.encode_list(resource, [kept.encoded for kept in items], str(revision))


async def _delete_options(request: web.BaseRequest) -> DeleteOptions:
    """Options come in the body, or in the query where there is none."""
    data = await read_bytes(request)
    options = DeleteOptions()
    if data:
        content_type = request.headers.get("Content-Type", "")
        decoded = codec.decode(data, content_type=content_type, expected=DeleteOptions)
        options = cast("DeleteOptions", decoded.obj)
    query = request.query
    if "gracePeriodSeconds" in query:
        options.grace_period_seconds = _seconds(query["gracePeriodSeconds"])
    if "propagationPolicy" in query:
        options.propagation_policy = query["propagationPolicy"]
    if "orphanDependents" in query:
        options.orphan_dependents = flag(query, "orphanDependents")
    if query.get("dryRun"):
        options.dry_run = query.getall("dryRun")
    return options


def _seconds(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise bad_request(f"gracePeriodSeconds is a number, not {text!r}") from None
