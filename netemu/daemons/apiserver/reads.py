"""GET: one object, a list, a page of a list, a watch."""

from __future__ import annotations

import asyncio
import base64
import binascii
import itertools
import random
from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime

import msgspec
from aiohttp import web

from netemu.core.apiserver.negotiation import negotiate
from netemu.daemons.apiserver.options import ListOptions, list_options, revision_of
from netemu.daemons.apiserver.paths import Target
from netemu.daemons.apiserver.refusals import bad_request, status_of, too_new
from netemu.daemons.apiserver.registry import Registry
from netemu.daemons.apiserver.replies import Renderer
from netemu.daemons.apiserver.selection import Selection, parse_selection
from netemu.daemons.apiserver.watching import Kept, Watcher, watch_line
from netemu.errors import ApiError
from netemu.model.kinds import Resource

_BOOKMARK_EVERY_S = 60.0
_LAST_BOOKMARK_S = 2.0
_SHORTEST_WATCH_S = 1800
_PAGED_LISTS = 64
"""So many unfinished paged lists are remembered."""

_to_json = msgspec.json.Encoder().encode


class Reads:
    """Answers every GET of a resource from the registry's caches."""

    def __init__(self, *, registry: Registry, clock: Callable[[], datetime]) -> None:
        self._registry = registry
        self._clock = clock
        self._pages = Pages()

    async def get(self, request: web.BaseRequest, target: Target) -> web.StreamResponse:
        resource = target.resource
        wanted = revision_of(request.query.get("resourceVersion", ""))
        if wanted is not None and wanted > self._registry.revision:
            raise too_new(wanted, self._registry.revision)
        kept = self._registry.read(resource, target.namespace, target.name)
        return self._reply(request, target, kept)

    def _reply(self, request: web.BaseRequest, target: Target, kept: Kept) -> web.Response:
        renderer = self.renderer(request, target)
        return _response(renderer, renderer.object(kept))

    def renderer(self, request: web.BaseRequest, target: Target) -> Renderer:
        return Renderer(
            target.resource,
            negotiate(request.headers.get("Accept", "")),
            include_object=request.query.get("includeObject", ""),
            clock=self._clock,
        )

    async def list_or_watch(self, request: web.BaseRequest, target: Target) -> web.StreamResponse:
        options = list_options(request.query, watch=target.watch)
        selection = parse_selection(
            target.resource,
            namespace=target.namespace,
            name=target.name,
            labels=options.labels,
            fields=options.fields,
        )
        renderer = self.renderer(request, target)
        if options.watch:
            watch = Watch(self._registry, target, options, selection, renderer)
            return await watch.answer(request)
        return _response(renderer, self._list(target, options, selection, renderer))

    def _list(
        self, target: Target, options: ListOptions, selection: Selection, renderer: Renderer
    ) -> bytes:
        registry = self._registry
        if options.continue_:
            page, revision, continue_, remaining = self._pages.next(target.resource, options)
            return renderer.list(page, revision, continue_=continue_, remaining=remaining)
        revision = _list_revision(
            options, registry.revision, registry.cache(target.resource).last_change
        )
        items = list(registry.cache(target.resource).select(selection))
        if not options.limit or options.revision == 0 or len(items) <= options.limit:
            return renderer.list(items, revision, continue_="", remaining=None)
        page, continue_, remaining = self._pages.first(
            target.resource, items, revision, options.limit, counted=not selection.by_content
        )
        return renderer.list(page, revision, continue_=continue_, remaining=remaining)


class Pages:
    """Lists that are fetched page by page: all pages show one moment."""

    def __init__(self) -> None:
        self._lists: OrderedDict[int, tuple[Resource, list[Kept], int, bool]] = OrderedDict()
        self._numbers = itertools.count(random.randrange(1 << 32))

    def first(
        self, resource: Resource, items: list[Kept], revision: int, limit: int, *, counted: bool
    ) -> tuple[list[Kept], str, int | None]:
        number = next(self._numbers)
        self._lists[number] = (resource, items, revision, counted)
        if len(self._lists) > _PAGED_LISTS:
            self._lists.popitem(last=False)
        remaining = len(items) - limit if counted else None
        return items[:limit], _token(number, limit, revision), remaining

    def next(
        self, resource: Resource, options: ListOptions
    ) -> tuple[list[Kept], int, str, int | None]:
        number, start = _parse_token(options.continue_)
        known = self._lists.get(number)
        if known is None:
            message = (
                "The provided continue parameter is too old to display a consistent list "
                "result. You must start a new list without the continue parameter."
            )
            raise ApiError(410, "Expired", message)
        of, items, revision, counted = known
        if of is not resource:
            raise bad_request("continue key is not valid")
        end = start + (options.limit or len(items))
        if end >= len(items):
            # Kept a while for a client that asks again; forgotten in its turn.
            return items[start:], revision, "", None
        remaining = len(items) - end if counted else None
        return items[start:end], revision, _token(number, end, revision), remaining


def _token(number: int, start: int, revision: int) -> str:
    data = {"v": "netemu/v1", "rv": revision, "list": number, "start": start}
    return base64.urlsafe_b64encode(_to_json(data)).decode().rstrip("=")


def _parse_token(token: str) -> tuple[int, int]:
    try:
        data = msgspec.json.decode(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        return int(data["list"]), int(data["start"])
    except (binascii.Error, msgspec.DecodeError, KeyError, TypeError, ValueError):
        raise bad_request("continue key is not valid") from None


def _list_revision(options: ListOptions, current: int, last_change: int) -> int:
    """Return the revision that the list shows; we have the present only."""
    wanted = options.revision
    if wanted is None:
        return current
    if wanted > current:
        raise too_new(wanted, current)
    if not options.exact:
        return current
    if wanted < last_change:
        message = f"The resourceVersion for the provided list is too old: {wanted} ({last_change})"
        raise ApiError(410, "Expired", message)
    return wanted


def _response(renderer: Renderer, body: bytes) -> web.Response:
    return web.Response(
        body=body,
        headers={"Content-Type": renderer.content_type, "Cache-Control": "no-cache, private"},
    )


class Watch:
    """One watch over HTTP: a line a event, for as long as both sides care."""

    def __init__(
        self,
        registry: Registry,
        target: Target,
        options: ListOptions,
        selection: Selection,
        renderer: Renderer,
    ) -> None:
        self._registry = registry
        self._cache = registry.cache(target.resource)
        self._options = options
        self._selection = selection
        self._renderer = renderer
        self._sent = 0
        timeout_s = options.timeout_s or random.randrange(_SHORTEST_WATCH_S, 2 * _SHORTEST_WATCH_S)
        self._ends = asyncio.get_running_loop().time() + timeout_s

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        reply = web.StreamResponse(
            headers={"Content-Type": "application/json", "Cache-Control": "no-cache, private"}
        )
        reply.enable_chunked_encoding()
        try:
            watcher, opening = await self._open()
        except ApiError as error:
            # A watch that cannot begin has begun, for HTTP: it says so in its first event.
            await reply.prepare(request)
            await reply.write(watch_line("ERROR", _to_json(status_of(error))))
            return reply
        try:
            await reply.prepare(request)
            if opening:
                await reply.write(opening)
            await self._stream(reply, watcher)
        except ConnectionError:
            pass  # The client has left: that is how watches end.
        finally:
            watcher.close()
        return reply

    async def _open(self) -> tuple[Watcher, bytes]:
        """Return the watcher, and the lines that are due at once."""
        wanted = self._options.revision
        if wanted and not self._options.initial_events:
            resource = self._cache.resource
            return await self._registry.watch(resource, self._selection, after=wanted), b""
        items = list(self._cache.select(self._selection))
        watcher = self._cache.watch_from_now(self._selection)
        lines = [watch_line("ADDED", self._encoded(kept)) for kept in items]
        if self._options.initial_events:
            lines.append(self._bookmark(initial_events_end=True))
        return watcher, b"".join(lines)

    def _encoded(self, kept: Kept) -> bytes:
        self._sent += 1
        return self._renderer.event(kept, first=self._sent == 1)

    def _bookmark(self, *, initial_events_end: bool = False) -> bytes:
        body = self._renderer.bookmark(
            self._registry.revision, initial_events_end=initial_events_end
        )
        return watch_line("BOOKMARK", body)

    async def _stream(self, reply: web.StreamResponse, watcher: Watcher) -> None:
        loop = asyncio.get_running_loop()
        bookmarks = self._bookmark_times(loop.time())
        due = next(bookmarks)
        while True:
            try:
                async with asyncio.timeout_at(min(due, self._ends)):
                    going_on = await watcher.wait()
            except TimeoutError:
                if loop.time() >= self._ends:
                    return
                # What came in this very moment is older than the bookmark, and goes first.
                await reply.write(self._lines(watcher) + self._bookmark())
                due = next(bookmarks)
                continue
            if not going_on:
                return
            await reply.write(self._lines(watcher))

    def _lines(self, watcher: Watcher) -> bytes:
        sights = watcher.fetch_all()
        if self._renderer.plain:
            return b"".join([sight.line for sight in sights])
        return b"".join([watch_line(s.type, self._encoded(s.kept)) for s in sights])

    def _bookmark_times(self, now: float) -> itertools.chain[float]:
        """When bookmarks are due: each minute, and shortly before the end."""
        if not self._options.bookmarks:
            return itertools.chain([self._ends], itertools.repeat(self._ends))
        last = self._ends - _LAST_BOOKMARK_S
        regular = itertools.takewhile(
            lambda time: time < last, itertools.count(now + _BOOKMARK_EVERY_S, _BOOKMARK_EVERY_S)
        )
        final = [last] if last > now else []
        return itertools.chain(regular, final, itertools.repeat(self._ends))
