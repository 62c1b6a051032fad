"""What a kube-proxy answers on its node's own ports.

`/healthz` and `/livez` on 10256 of all addresses; `/metrics`, `/proxyMode` and
`/healthz` on 10249 of the loopback; and for each LoadBalancer Service with
`externalTrafficPolicy: Local` its health-check node port, by which a load balancer
finds the nodes that have endpoints.
"""

from __future__ import annotations

import json
import logging
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from aiohttp import web
from prometheus_client import generate_latest

from netemu.daemons.kube_proxy_metrics import ProxyMetrics
from netemu.host.netns import Netns
from netemu.model.clock import format_time
from netemu.model.keys import ObjectKey

log = logging.getLogger(__name__)

HEALTHZ_PORT: Final = 10256
METRICS_PORT: Final = 10249


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyHealth:
    """How the proxy is, at this moment."""

    now: datetime
    updated: datetime
    up_to_date: bool
    """No change has waited too long for its rules."""
    node_eligible: bool

    def body(self, *, with_node: bool) -> dict[str, object]:
        healthy = self.up_to_date and (self.node_eligible or not with_node)
        updated = format_time(self.updated)
        body: dict[str, object] = {
            "lastUpdated": updated,
            "currentTime": format_time(self.now),
            "healthy": healthy,
            "status": {"IPv4": {"lastUpdated": updated, "healthy": self.up_to_date}},
        }
        if with_node:
            body["nodeEligible"] = self.node_eligible
        return body


class ProxyServers:
    """The listeners of one node's kube-proxy."""

    def __init__(
        self, *, netns: Netns, mode: str, metrics: ProxyMetrics, health: Callable[[], ProxyHealth]
    ) -> None:
        self._netns = netns
        self._mode = mode
        self._metrics = metrics
        self._health = health
        self._services: dict[int, web.AppRunner] = {}
        self._local_counts: Mapping[int, tuple[ObjectKey, int]] = {}

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """Listen on the two fixed ports as long as the context lasts.

        A hostNetwork Pod may have taken one: Services must not suffer for it.
        """
        runners = []
        for routes, address, port in (
            (self._health_routes(), "0.0.0.0", HEALTHZ_PORT),
            (self._metrics_routes(), "127.0.0.1", METRICS_PORT),
        ):
            try:
                runners.append(await self._listen(routes, address, port))
            except OSError as error:
                log.warning("%s: port %d is not served: %s", self._netns.name, port, error)
        try:
            yield
        finally:
            for runner in [*runners, *self._services.values()]:
                await runner.cleanup()
            self._services.clear()

    async def set_services(self, wanted: Mapping[int, tuple[ObjectKey, int]]) -> list[ObjectKey]:
        """Serve exactly these health-check node ports: port → (Service, ready endpoints here).

        Returns the Services whose port could not be had.
        """
        self._local_counts = wanted
        for port in [port for port in self._services if port not in wanted]:
            await self._services.pop(port).cleanup()
        failed = []
        for port in [port for port in wanted if port not in self._services]:
            try:
                routes = [web.get("/{path:.*}", self._service_health(port))]
                self._services[port] = await self._listen(routes, "0.0.0.0", port)
            except OSError as error:
                log.warning("health check node port %d: %s", port, error)
                failed.append(wanted[port][0])
        return failed

    async def _listen(self, routes: list[web.RouteDef], address: str, port: int) -> web.AppRunner:
        app = web.Application()
        app.add_routes(routes)
        runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=0.1)
        await runner.setup()
        listener = self._netns.socket()
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((address, port))
            await web.SockSite(runner, listener).start()
        except OSError:
            listener.close()
            await runner.cleanup()
            raise
        return runner

    def _health_routes(self) -> list[web.RouteDef]:
        return [web.get("/healthz", self._healthz), web.get("/livez", self._livez)]

    def _metrics_routes(self) -> list[web.RouteDef]:
        return [
            web.get("/metrics", self._show_metrics),
            web.get("/proxyMode", self._proxy_mode),
            web.get("/healthz", self._healthz),
        ]

    async def _healthz(self, _: web.Request) -> web.Response:
        response = _health_response(self._health().body(with_node=True))
        self._metrics.healthz.labels(str(response.status)).inc()
        return response

    async def _livez(self, _: web.Request) -> web.Response:
        response = _health_response(self._health().body(with_node=False))
        self._metrics.livez.labels(str(response.status)).inc()
        return response

    async def _show_metrics(self, _: web.Request) -> web.Response:
        body = generate_latest(self._metrics.registry)
        return web.Response(body=body, content_type="text/plain", charset="utf-8")

    async def _proxy_mode(self, _: web.Request) -> web.Response:
        return web.Response(text=self._mode)

    def _service_health(self, port: int) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def answer(_: web.Request) -> web.StreamResponse:
            service, count = self._local_counts[port]
            healthy = self._health().up_to_date
            body = {
                "service": {"namespace": service.namespace, "name": service.name},
                "localEndpoints": count,
                "serviceProxyHealthy": healthy,
            }
            return web.Response(
                status=200 if count and healthy else 503,
                text=json.dumps(body, indent="\t"),
                content_type="application/json",
                headers={
                    "X-Content-Type-Options": "nosniff",
                    "X-Load-Balancing-Endpoint-Weight": str(count),
                },
            )

        return answer


def _health_response(body: dict[str, object]) -> web.Response:
    return web.json_response(body, status=200 if body["healthy"] else 503)
