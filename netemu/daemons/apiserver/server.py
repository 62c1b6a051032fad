"""The API server: the hub that every component reads from and writes to.

It serves HTTPS on the sockets that it is given (the host's loopback, and one opened in
the control-plane node's namespace), and hands clients to the components in its own
process. When it is started again it goes on from the store: nothing else is kept.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from ipaddress import IPv4Address

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import StreamReader
from aiohttp.web_protocol import RequestHandler

from netemu.client.in_process import InProcessClient
from netemu.core.apiserver.allocation import ServiceAllocator
from netemu.daemons.apiserver.bootstrap import bootstrap
from netemu.daemons.apiserver.engine import LocalEngine
from netemu.daemons.apiserver.http import HttpApi
from netemu.daemons.apiserver.identity import Authenticator, TokenIssuer
from netemu.daemons.apiserver.metrics import exposition
from netemu.daemons.apiserver.registry import Registry
from netemu.daemons.apiserver.selection import Selection
from netemu.daemons.apiserver.streams import StreamHooks
from netemu.daemons.apiserver.subresources import Subresources
from netemu.daemons.apiserver.tls import serving_context
from netemu.errors import ApiError, HostError
from netemu.host.pki import ClusterPki, KeyPair
from netemu.model.authentication_v1 import UserInfo
from netemu.model.clock import format_time
from netemu.model.core_v1 import Event
from netemu.model.kinds import by_type
from netemu.model.meta_v1 import DeleteOptions
from netemu.model.schema import ApiObject
from netemu.model.settings import ClusterSettings
from netemu.storage.contract import Store

log = logging.getLogger(__name__)

NODE_PORTS = range(30000, 32768)
_LARGEST_BODY = 3 * 1024 * 1024
_MEND_EVERY_S = 10.0
_TIDY_EVERY_S = 60.0
_CHANGES_KEPT = 10_000
_EVENT_LIFETIME = timedelta(hours=1)
_EVENTS_KEPT = 4000
"""Each costs about 10 KiB with its history: a churning cluster would hold a hundred MiB."""
_BREATH = 50
_SHUTDOWN_S = 0.1


class ApiServer:
    """One cluster's API, over HTTPS and in this process."""

    def __init__(
        self,
        *,
        settings: ClusterSettings,
        store: Store,
        pki: ClusterPki,
        clock: Callable[[], datetime],
    ) -> None:
        self.streams: StreamHooks | None = None
        """How exec and logs reach the containers; set by whoever builds the cluster."""
        self._settings = settings
        self._pki = pki
        self._clock = clock
        self._store = store
        self.registry = Registry(
            store=store,
            allocator=ServiceAllocator(settings.service_cidr, NODE_PORTS),
            clock=clock,
            toleration_s=settings.toleration_s,
        )
        issuer = f"https://kubernetes.default.svc.{settings.domain}"
        self.tokens = TokenIssuer(pki=pki, issuer=issuer, lookup=self.registry, clock=clock)
        parts = Subresources(registry=self.registry, tokens=self.tokens, clock=clock)
        self._parts = parts
        self._api = HttpApi(
            registry=self.registry,
            authenticator=Authenticator(pki=pki, tokens=self.tokens, clock=clock),
            tokens=self.tokens,
            streams=lambda: self.streams,
            metrics=self._metrics,
            server_address=f"{settings.control_plane.address}:{settings.api_port}",
            clock=clock,
        )
        self._loaded = False
        self._listeners: list[asyncio.Server] = []
        self._http: web.Server | None = None
        self._serving = asyncio.Event()

    def client(self, user: UserInfo) -> InProcessClient:
        """Return a client for a component in this process. It works once `load` is done."""
        return InProcessClient(_engine_for(user, self.registry, self._parts), user)

    async def load(self) -> None:
        """Read the store and make the cluster's first objects. `run` does it, too."""
        if self._loaded:
            return
        self._loaded = True
        await self.registry.load()
        await self.mend()

    async def serving(self) -> None:
        """Wait until the sockets given to `run` are served."""
        await self._serving.wait()

    async def run(self, sockets: Sequence[socket.socket]) -> None:
        """Serve listening sockets until cancelled."""
        await self.load()
        self._http = web.Server(
            self._api.handle,
            request_factory=_request,
            handler_cancellation=True,
            access_log=None,
            tcp_keepalive=True,
        )
        self._tls = serving_context(self._serving_pair())
        try:
            for listener in sockets:
                await self.add_socket(listener)
            self._serving.set()
            await self._look_after_the_store()
        finally:
            self._serving.clear()
            await self._stop()

    async def add_socket(self, listener: socket.socket) -> None:
        """Serve one more bound socket; only while `run` runs."""
        if self._http is None:
            raise RuntimeError("sockets are added to a server that runs")
        listener.setblocking(False)
        loop = asyncio.get_running_loop()
        server = await loop.create_server(self._http, sock=listener, ssl=self._tls, backlog=1024)
        self._listeners.append(server)

    async def _stop(self) -> None:
        for listener in self._listeners:
            listener.close()
        self._listeners.clear()
        self.registry.close()
        if self._http is None:
            return
        transports = [connection.transport for connection in self._http.connections]
        await self._http.shutdown(timeout=_SHUTDOWN_S)
        self._http = None
        for transport in transports:
            # Closing would wait for each client to say goodbye, TLS being polite.
            if transport is not None:
                transport.abort()
        await asyncio.sleep(0)

    def _serving_pair(self) -> KeyPair:
        settings = self._settings
        node = settings.control_plane
        service = "kubernetes.default.svc"
        return self._pki.issue_serving(
            names=[
                "kubernetes",
                "kubernetes.default",
                service,
                f"{service}.{settings.domain}",
                "localhost",
                node.name,
            ],
            addresses=[
                IPv4Address("127.0.0.1"),
                settings.api_service_address,
                node.address,
                settings.host_address,
            ],
        )

    async def _look_after_the_store(self) -> None:
        """Mend and tidy up for ever; what fails once is tried again."""
        clock = asyncio.get_running_loop().time
        due_s = clock() + (0.0 if self._much_history else _TIDY_EVERY_S)
        while True:
            try:
                if clock() >= due_s or self._is_crowded():
                    due_s = clock() + _TIDY_EVERY_S
                    await self.tidy_up()
                await asyncio.sleep(_MEND_EVERY_S)
                await self.mend()
            except (ApiError, HostError) as error:
                log.warning("looking after the store: %s", error)

    @property
    def _much_history(self) -> bool:
        """Whether daemons before this one died too young to have tidied up."""
        return self._store.revision - self._store.compacted > 2 * _CHANGES_KEPT

    async def mend(self) -> None:
        """Make the cluster's first objects again: `kubectl delete service --all` takes them."""
        await bootstrap(self.registry, self._settings)

    async def tidy_up(self) -> None:
        """Forget old Events, and history beyond the last ten thousand changes.

        An Event is old after an hour, or when four thousand newer ones are there.
        """
        resource = by_type(Event)
        events = [kept.obj for kept in self.registry.cache(resource).select(Selection())]
        # RFC 3339 in UTC sorts as text.
        newest_first = sorted(events, key=_last_seen, reverse=True)
        horizon = format_time(self._clock() - _EVENT_LIFETIME)
        recent = [event for event in newest_first[:_EVENTS_KEPT] if _last_seen(event) >= horizon]
        for number, event in enumerate(newest_first[len(recent) :], 1):
            meta = event.metadata
            try:
                await self.registry.delete(resource, meta.namespace, meta.name, DeleteOptions())
            except ApiError as error:
                log.debug("expiring event %s: %s", meta.name, error)
            if number % _BREATH == 0:
                await asyncio.sleep(0)
        await self.registry.compact(keep=_CHANGES_KEPT)

    def _is_crowded(self) -> bool:
        """A thousand Pods that come and go in a minute leave seven thousand Events."""
        return len(self.registry.cache(by_type(Event))) > 2 * _EVENTS_KEPT

    def _metrics(self) -> str:
        return exposition(
            registry=self.registry, requests=self._api.requests, compacted=self._store.compacted
        )


def _engine_for(user: UserInfo, registry: Registry, parts: Subresources) -> LocalEngine:
    """Server-side apply names managers by program: `system:node:worker-1` is its kubelet."""
    name = user.username.removeprefix("system:")
    manager = "kubelet" if name.startswith("node:") else name
    return LocalEngine(registry, parts, manager=manager)


def _last_seen(event: ApiObject) -> str:
    assert isinstance(event, Event)
    return event.last_timestamp or event.metadata.creation_timestamp


def _request(
    message: RawRequestMessage,
    payload: StreamReader,
    protocol: RequestHandler,
    writer: AbstractStreamWriter,
    task: asyncio.Task[None],
) -> web.BaseRequest:
    loop = asyncio.get_running_loop()
    return web.BaseRequest(
        message, payload, protocol, writer, task, loop, client_max_size=_LARGEST_BODY
    )
