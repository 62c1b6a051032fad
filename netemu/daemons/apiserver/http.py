"""The HTTP face: from a request to the one handler that answers it.

What a path names decides; there is no table of routes. A failure that is meant
(ApiError) becomes a Status, and so does what the host refused. Anything else is a bug:
it is logged with its traceback, and the client is told so in a Status, too.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import cast

from aiohttp import web

from netemu.core.apiserver import discovery, openapi
from netemu.core.apiserver.negotiation import OPENAPI_V2_PROTOBUF, Form, negotiate
from netemu.daemons.apiserver import impersonation
from netemu.daemons.apiserver.identity import Authenticator, TokenIssuer
from netemu.daemons.apiserver.options import flag, write_options
from netemu.daemons.apiserver.paths import Target, parse_target
from netemu.daemons.apiserver.reads import Reads
from netemu.daemons.apiserver.refusals import no_such_method, no_such_path
from netemu.daemons.apiserver.registry import Registry
from netemu.daemons.apiserver.replies import data_reply, failure, json_reply, text_reply
from netemu.daemons.apiserver.reviews import Reviews
from netemu.daemons.apiserver.streams import (
    StreamHooks,
    serve_exec,
    serve_log,
    serve_port_forward,
)
from netemu.daemons.apiserver.subresources import Subresources
from netemu.daemons.apiserver.version import VERSION
from netemu.daemons.apiserver.writes import Writes, manager_of, read_body, read_patch
from netemu.errors import ApiError, HostError
from netemu.model import codec
from netemu.model.authentication_v1 import TokenRequest, UserInfo
from netemu.model.autoscaling_v1 import Scale
from netemu.model.core_v1 import Binding, Pod
from netemu.model.kinds import REVIEWS
from netemu.model.policy_v1 import Eviction

log = logging.getLogger(__name__)

_OPEN_TO_ALL = ("version", "healthz", "livez", "readyz")
_STREAMS = ("exec", "attach", "log", "portforward", "proxy")
_SUCCESS = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}
_REVIEW_PLURALS = frozenset(resource.plural for resource in REVIEWS)


class HttpApi:
    """Answers every HTTP request to the API server."""

    def __init__(
        self,
        *,
        registry: Registry,
        authenticator: Authenticator,
        tokens: TokenIssuer,
        streams: Callable[[], StreamHooks | None],
        metrics: Callable[[], str],
        server_address: str,
        clock: Callable[[], datetime],
    ) -> None:
        self._registry = registry
        self._authenticator = authenticator
        self._tokens = tokens
        self._streams = streams
        self._metrics = metrics
        self._server_address = server_address
        self._clock = clock
        self._reads = Reads(registry=registry, clock=clock)
        self._writes = Writes(registry=registry, reads=self._reads)
        self._parts = Subresources(registry=registry, tokens=tokens, clock=clock)
        self._reviews = Reviews(tokens=tokens)
        self.requests = 0

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        self.requests += 1
        try:
            return await self._answer(request)
        except ApiError as error:
            return failure(error)
        except HostError as error:
            return failure(ApiError(500, "InternalError", str(error)))
        except Exception as error:
            log.exception("%s %s", request.method, request.path)
            if request.writer.output_size:
                raise  # The reply has begun: all that can be done is to break it off.
            return failure(ApiError(500, "InternalError", f"Internal error occurred: {error!r}"))

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        path = request.path
        first = path.lstrip("/").partition("/")[0]
        if first in _OPEN_TO_ALL:
            return self._open_page(first)
        user = self._user(request)
        target = parse_target(path)
        if target is not None:
            return await self._resource(request, target, user)
        if request.method not in ("GET", "HEAD"):
            raise no_such_path() if first in ("api", "apis") else no_such_method()
        return self._document(request, path.rstrip("/"))

    def _user(self, request: web.BaseRequest) -> UserInfo:
        transport = request.transport
        tls = transport.get_extra_info("ssl_object") if transport else None
        user = self._authenticator.user(
            certificate_der=tls.getpeercert(True) if tls else None,
            authorization=request.headers.get("Authorization", ""),
        )
        return impersonation.effective(user, request)

    # Documents.

    def _open_page(self, name: str) -> web.Response:
        return data_reply(VERSION) if name == "version" else text_reply("ok")

    def _document(self, request: web.BaseRequest, path: str) -> web.Response:
        match path.split("/")[1:]:
            case ["api"] | ["apis"]:
                return self._discovery(request, core=path == "/api")
            case ["api", version]:
                return data_reply(discovery.api_resource_list(version))
            case ["apis", "apiextensions.k8s.io", "v1", "customresourcedefinitions"]:
                return self._custom_resources(request)
            case ["apis", group]:
                return data_reply(discovery.api_group(group))
            case ["apis", group, version]:
                return data_reply(discovery.api_resource_list(f"{group}/{version}"))
            case ["openapi", *rest]:
                return self._openapi(request, rest)
            case ["metrics"]:
                return text_reply(self._metrics(), content_type="text/plain")
            case ["openid", "v1", "jwks"]:
                return data_reply(self._tokens.jwks())
            case [".well-known", "openid-configuration"]:
                return data_reply(self._tokens.openid_configuration())
            case [""] | []:
                return data_reply({"paths": ["/api", "/apis", "/healthz", "/openapi", "/version"]})
        raise no_such_path()

    def _custom_resources(self, request: web.BaseRequest) -> web.Response:
        """There are none. kubectl asks before it says that a kind is not served."""
        if flag(request.query, "watch"):
            raise no_such_method()
        return data_reply(discovery.no_custom_resources(self._registry.revision))

    def _discovery(self, request: web.BaseRequest, *, core: bool) -> web.Response:
        wanted = negotiate(request.headers.get("Accept", ""))
        if wanted.form is Form.DISCOVERY:
            reply = data_reply(discovery.aggregated(wanted, core=core))
            reply.headers["Content-Type"] = wanted.content_type
            return reply
        if core:
            return data_reply(discovery.api_versions(self._server_address))
        return data_reply(discovery.api_group_list())

    def _openapi(self, request: web.BaseRequest, rest: list[str]) -> web.Response:
        """Version 2 is protobuf for kubectl and JSON for others; version 3 is in parts."""
        match rest:
            case ["v2"]:
                accept = request.headers.get("Accept", "")
                wanted = "proto-openapi" in accept and negotiate(accept).media_type
                if wanted == OPENAPI_V2_PROTOBUF:
                    return _document_reply(request, openapi.v2_protobuf(), OPENAPI_V2_PROTOBUF)
                return _document_reply(request, openapi.v2_json(), "application/json")
            case ["v3"]:
                return data_reply(openapi.v3_index())
            case ["v3", *parts]:
                path = "/".join(parts)
                if path in openapi.v3_paths():
                    return _v3_reply(request, path)
        raise no_such_path()

    # Resources.

    async def _resource(
        self, request: web.BaseRequest, target: Target, user: UserInfo
    ) -> web.StreamResponse:
        if target.resource.plural in _REVIEW_PLURALS:
            if request.method != "POST" or target.name:
                raise no_such_method()
            return await self._reviews.answer(request, target, user)
        if target.subresource:
            return await self._subresource(request, target)
        if target.resource.namespaced and target.name and not target.namespace:
            raise no_such_path()
        handler = self._object_handler(request, target)
        return await handler(request, target)

    def _object_handler(
        self, request: web.BaseRequest, target: Target
    ) -> Callable[[web.BaseRequest, Target], Awaitable[web.StreamResponse]]:
        match request.method, bool(target.name):
            case (("GET" | "HEAD"), True) if not (target.watch or flag(request.query, "watch")):
                return self._reads.get
            case (("GET" | "HEAD"), _):
                return self._reads.list_or_watch
            case "POST", False:
                return self._writes.create
            case "PUT", True:
                return self._writes.update
            case "PATCH", True:
                return self._writes.patch
            case "DELETE", True:
                return self._writes.delete
            case "DELETE", False if "deletecollection" in target.resource.verbs:
                return self._writes.delete_collection
        raise no_such_method()

    async def _subresource(self, request: web.BaseRequest, target: Target) -> web.StreamResponse:
        part = target.resource.subresource(target.subresource)
        if part is None:
            raise no_such_path()
        if part.name in _STREAMS:
            return await self._stream(request, target)
        match request.method, part.name:
            case _, "scale":
                return await self._scale(request, target)
            case "POST", "binding" | "eviction" | "token":
                return await self._act(request, target)
            case "GET", _ if not part.kind:
                return await self._reads.get(request, target)
            case "PUT", _ if not part.kind:
                return await self._writes.update(request, target)
            case "PATCH", _ if not part.kind:
                return await self._writes.patch(request, target)
        raise no_such_method()

    async def _scale(self, request: web.BaseRequest, target: Target) -> web.Response:
        where = (target.resource, target.namespace, target.name)
        options = write_options(request.query)
        manager, dry_run = manager_of(request, options), options.dry_run
        match request.method:
            case "GET":
                scale = self._parts.scale(*where)
            case "PUT":
                body = await read_body(request, Scale, options)
                scale = await self._parts.set_scale(
                    *where, body.obj, manager=manager, dry_run=dry_run
                )
            case "PATCH":
                patch, how = await read_patch(request)
                scale = await self._parts.patch_scale(
                    *where, patch, how, manager=manager, dry_run=dry_run
                )
            case _:
                raise no_such_method()
        return json_reply(codec.encode(scale))

    async def _act(self, request: web.BaseRequest, target: Target) -> web.Response:
        options = write_options(request.query)
        namespace, name = target.namespace, target.name
        match target.subresource:
            case "binding":
                body = await read_body(request, Binding, options)
                await self._parts.bind(namespace, name, body.obj, dry_run=options.dry_run)
            case "eviction":
                body = await read_body(request, Eviction, options)
                await self._parts.evict(namespace, name, body.obj, dry_run=options.dry_run)
            case _:
                body = await read_body(request, TokenRequest, options)
                token = self._parts.token(namespace, name, body.obj)
                return json_reply(codec.encode(token), code=201)
        return data_reply(_SUCCESS, code=201)

    async def _stream(self, request: web.BaseRequest, target: Target) -> web.StreamResponse:
        if target.resource.type is not Pod or target.subresource == "proxy":
            message = f"{target.resource.plural}/{target.subresource} is not served yet"
            raise ApiError(501, "NotImplemented", message)
        if target.tail:
            raise no_such_path()
        if request.method not in ("GET", "POST"):
            raise no_such_method()
        kept = self._registry.read(target.resource, target.namespace, target.name)
        hooks = self._streams()
        if hooks is None:
            raise ApiError(503, "ServiceUnavailable", "no kubelet is connected yet")
        pod = cast("Pod", kept.obj)
        if target.subresource == "log":
            return await serve_log(request, pod, hooks, now=self._clock().timestamp())
        if target.subresource == "portforward":
            return await serve_port_forward(request, pod, hooks)
        return await serve_exec(request, pod, hooks, attach=target.subresource == "attach")


def _document_reply(request: web.BaseRequest, body: bytes, content_type: str) -> web.Response:
    """Answer with a document that only a new netemu changes: clients keep it by its ETag."""
    etag = f'"{openapi.etag(body)}"'
    headers = {"ETag": etag, "Last-Modified": "Sat, 01 Jan 2022 00:00:00 GMT", "Vary": "Accept"}
    if request.headers.get("If-None-Match") == etag:
        return web.Response(status=304, headers=headers)
    return web.Response(body=body, headers={**headers, "Content-Type": content_type})


def _v3_reply(request: web.BaseRequest, path: str) -> web.Response:
    """Answer with one part; an address with another hash leads to the right one."""
    body = openapi.v3_document(path)
    etag = openapi.etag(body)
    asked = request.query.get("hash", etag)
    if asked != etag:
        return web.Response(status=301, headers={"Location": f"/openapi/v3/{path}?hash={etag}"})
    reply = _document_reply(request, body, "application/json")
    if "hash" in request.query:
        reply.headers["Cache-Control"] = "public, immutable"
    return reply
