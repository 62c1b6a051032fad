"""kube-proxy: keeps one node's packet rules equal to what the cluster asks for.

A sync plans what the node should hold, compares it with what the last sync left
there, and loads the difference. A full sync compares with what the kernel really
holds instead: at the start, after every failure, every hour, and when somebody else
was seen to have changed the rules. So a proxy that starts again over its own rules
changes nothing, and one that starts over somebody else's repairs them.

Syncs are driven by change: the first change is loaded at once, those that follow
within the minimal interval are loaded together.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import datetime
from typing import Final

from netemu import plugins
from netemu.client.contract import Client
from netemu.client.events import EventRecorder
from netemu.client.informer import Informers
from netemu.core.netfilter import restore
from netemu.core.netfilter.save import parse_save
from netemu.core.netfilter.tables import Tables
from netemu.core.proxy import modes
from netemu.core.proxy.contract import (
    ProxyConfig,
    ProxyMode,
    ProxyNode,
    ProxyState,
    ServedPort,
    ServiceTable,
)
from netemu.core.proxy.stale_flows import stale_flows, udp_ports
from netemu.daemons.kube_proxy_blame import Refusal, load_what_is_accepted
from netemu.daemons.kube_proxy_http import ProxyHealth, ProxyServers
from netemu.daemons.kube_proxy_metrics import ProxyMetrics
from netemu.daemons.service_feed import Feed, ServiceFeed
from netemu.errors import HostBusyError, HostError
from netemu.host.conntrack import Conntrack
from netemu.host.netfilter import Netfilter, detect
from netemu.host.netns import Netns
from netemu.model.core_v1 import Node
from netemu.model.keys import ObjectKey
from netemu.model.settings import ClusterSettings, NodeSettings

log = logging.getLogger(__name__)

MIN_INTERVAL_S: Final = 0.05
"""kube-proxy's default is 1 s; people who watch want to see it happen."""
FULL_SYNC_EVERY_S: Final = 3600.0
DRIFT_CHECK_EVERY_S: Final = 30.0
_FIRST_RETRY_S: Final = 0.2
_LONGEST_RETRY_S: Final = 30.0
_TOO_LATE_S: Final = 60.0
"""A change that waited longer makes the proxy unhealthy: twice kube-proxy's sync period."""

_ZONE_LABEL: Final = "topology.kubernetes.io/zone"
_DOOMED_TAINT: Final = "ToBeDeletedByClusterAutoscaler"
_TCP_BE_LIBERAL: Final = "/proc/sys/net/netfilter/nf_conntrack_tcp_be_liberal"


class KubeProxy:
    """One node's proxy. `feed` may be shared by all nodes of the cluster."""

    def __init__(
        self,
        *,
        client: Client,
        settings: ClusterSettings,
        node: NodeSettings,
        netns: Netns,
        clock: Callable[[], datetime],
        feed: Feed | None = None,
        config: ProxyConfig | None = None,
        drift_check_every_s: float = DRIFT_CHECK_EVERY_S,
    ) -> None:
        self._client = client
        self._settings = settings
        self._node_settings = node
        self._netns = netns
        self._clock = clock
        self._owns_feed = feed is None
        self._feed: Feed = feed or ServiceFeed(client=client)
        self._mode: ProxyMode = plugins.load_one(modes, settings.proxy_mode, "MODE")
        self._config = config or ProxyConfig(cluster_cidr=settings.pod_cidr)
        self._drift_check_every_s = drift_check_every_s
        self._node = ProxyNode(
            name=node.name,
            address=node.address,
            addresses=(node.address,),
            zone=node.labels.get(_ZONE_LABEL, ""),
        )
        self._node_object: Node | None = None
        self._events = EventRecorder(client, component="kube-proxy", host=node.name, clock=clock)
        self._conntrack = Conntrack(netns)
        self._metrics = ProxyMetrics(settings.proxy_mode)
        self._servers = ProxyServers(
            netns=netns, mode=settings.proxy_mode, metrics=self._metrics, health=self.health
        )
        self._netfilter: Netfilter | None = None
        self._changed = asyncio.Event()
        self._waiting_since: datetime | None = None
        self._updated = clock()
        self._held: Tables | None = None
        """What the last sync left in the kernel; None: unknown, look."""
        self._state = ProxyState()
        self._accepted: frozenset[ServedPort] = frozenset()
        self._refused: frozenset[ServedPort] = frozenset()
        """Left out until they change, or until the next full sync."""
        self._udp: frozenset[ServedPort] = frozenset()
        self._saved = ""
        """What iptables-save printed when it was last found right."""
        self._synced_once = asyncio.Event()
        self._feed.subscribe(self._notice)

    async def synced(self) -> None:
        """Wait until the node's rules were complete for the first time."""
        await self._synced_once.wait()

    def health(self) -> ProxyHealth:
        now = self._clock()
        since = self._waiting_since
        return ProxyHealth(
            now=now,
            updated=self._updated,
            up_to_date=since is None or (now - since).total_seconds() <= _TOO_LATE_S,
            node_eligible=_eligible(self._node_object),
        )

    async def run(self) -> None:
        self._held = None
        async with self._servers.serving(), asyncio.TaskGroup() as group:
            if self._owns_feed:
                group.create_task(self._feed.run(), name="services")
            group.create_task(self._events.run(), name="events")
            informers = Informers(self._client, task_group=group)
            own = informers.of(Node, fields=f"metadata.name={self._node.name}")
            own.subscribe(self._node_changed)
            await self._prepare()
            await self._feed.synced()
            await self._sync_forever()

    def _notice(self) -> None:
        self._metrics.changes.inc()
        if self._waiting_since is None:
            self._waiting_since = self._clock()
            self._metrics.last_queued.set(self._waiting_since.timestamp())
        self._changed.set()

    def _node_changed(self, _: Node | None, node: Node | None) -> None:
        self._node_object = node
        zone = node.metadata.labels.get(_ZONE_LABEL, "") if node else ""
        if node is not None and zone != self._node.zone:
            self._node = replace(self._node, zone=zone)
            self._notice()

    async def _prepare(self) -> None:
        """Find the programs, and what of the kernel shapes the rules."""
        iptables = await asyncio.to_thread(detect, self._settings.iptables_flavour)
        run_dir = str(self._settings.run_dir)
        os.makedirs(run_dir, mode=0o755, exist_ok=True)
        lock_file = f"{run_dir}/xtables-{self._node.name}.lock"
        self._netfilter = Netfilter(self._netns, iptables=iptables, lock_file=lock_file)
        self._config = replace(
            self._config,
            random_fully=self._config.random_fully and iptables.random_fully,
            tcp_be_liberal=await self._netns.call(_read_flag, _TCP_BE_LIBERAL),
        )

    # When to sync.

    async def _sync_forever(self) -> None:
        loop = asyncio.get_running_loop()
        retry_s = _FIRST_RETRY_S
        full_at = loop.time() + FULL_SYNC_EVERY_S
        look_at = loop.time() + self._drift_check_every_s
        self._changed.set()
        while True:
            changed = await self._wait_for_change(max(0.0, look_at - loop.time()))
            now = loop.time()
            earliest = now + MIN_INTERVAL_S
            if now >= full_at:
                full_at = now + FULL_SYNC_EVERY_S
                self._held = None
                self._refused = frozenset()
            try:
                if now >= look_at and self._held is not None:
                    look_at = now + self._drift_check_every_s
                    await self._look_for_drift()
                if changed or self._held is None:
                    await self._sync()
                retry_s = _FIRST_RETRY_S
            except HostError as error:
                self._failed(error)
                await self._wait_for_change(retry_s)
                self._changed.set()
                retry_s = min(retry_s * 2, _LONGEST_RETRY_S)
            await asyncio.sleep(max(0.0, earliest - loop.time()))

    async def _wait_for_change(self, most_s: float) -> bool:
        """Wait for a change, or for time to pass; was it a change?"""
        try:
            async with asyncio.timeout(most_s):
                await self._changed.wait()
        except TimeoutError:
            return False
        self._changed.clear()
        return True

    def _failed(self, error: HostError) -> None:
        log.warning("%s: rules not applied: %s", self._node.name, error)
        self._metrics.failures.inc()
        if self._held is not None:
            self._metrics.partial_failures.inc()
        self._held = None  # Part of the change may be there: look before the next try.
        self._warn("FailedToSyncProxyRules", str(error))

    def _warn(self, reason: str, message: str) -> None:
        if self._node_object is not None:
            self._events.event(self._node_object, "Warning", reason, message)

    # What a sync does.

    async def _sync(self) -> None:
        loop = asyncio.get_running_loop()
        began, waiting = loop.time(), self._waiting_since
        self._waiting_since = None
        services = self._feed.table()
        full = self._held is None
        try:
            await self._load(services)
        except HostError:
            self._waiting_since = waiting or self._clock()
            raise
        self._measure(loop.time() - began, full=full)
        await self._forget_stale_flows(services)
        await self._serve_health_checks(services)
        self._synced_once.set()

    async def _load(self, services: ServiceTable) -> None:
        """Serve all of these but those that the kernel refuses."""
        known = self._refused
        wanted = [served for served in services if served not in known]
        try:
            await self._apply(self._mode.plan(tuple(wanted), self._node, self._config))
        except HostBusyError:
            raise
        except HostError as error:
            log.warning("%s: looking for the Service that is refused: %s", self._node.name, error)
            self._failed(error)
            await self._load_without_refused(services, wanted)
        else:
            self._accepted = frozenset(wanted)

    async def _load_without_refused(self, services: ServiceTable, wanted: list[ServedPort]) -> None:
        async def load(some: Collection[ServedPort]) -> None:
            subset = tuple(served for served in services if served in some)
            try:
                await self._apply(self._mode.plan(subset, self._node, self._config))
            except HostError:
                self._held = None
                raise

        known_good = self._accepted.intersection(wanted)
        candidates = [served for served in wanted if served not in known_good]
        refusals = await load_what_is_accepted(known_good, candidates, load)
        refused = frozenset(refusal.served for refusal in refusals)
        self._refused = self._refused.intersection(services) | refused
        self._accepted = frozenset(wanted) - refused
        for refusal in refusals:
            self._blame(refusal)

    def _blame(self, refusal: Refusal) -> None:
        port = refusal.served.port
        log.warning("%s: %s is not served: %s", self._node.name, port.label, refusal.error)
        service = self._feed.service(port.service)
        if service is not None:
            message = f"node {self._node.name} cannot serve {port.label}: {refusal.error}"
            self._events.event(service, "Warning", "FailedToProgramService", message)

    async def _apply(self, state: ProxyState) -> None:
        netfilter = self._ready_netfilter
        jumps = list(state.jumps)
        old = self._held
        if old is None:
            await self._set_sysctls(state)
            observed = await netfilter.observe()
            # With thousands of Services there is much to parse; the loop goes on meanwhile.
            old = await asyncio.to_thread(
                restore.known, observed, state.tables, ours=self._mode.owns
            )
            jumps = restore.missing_jumps(observed, state.jumps)
        else:
            jumps = [jump for jump in jumps if jump not in self._state.jumps]
        await netfilter.change(old, state.tables, jumps=jumps)
        self._held, self._state, self._saved = state.tables, state, ""

    async def _set_sysctls(self, state: ProxyState) -> None:
        try:
            await self._netns.call(_write_sysctls, dict(state.sysctls))
        except HostError as error:
            # NodePorts on localhost will not answer; everything else will.
            log.warning("%s: %s", self._node.name, error)
            self._warn("FailedToSetSysctl", str(error))

    @property
    def _ready_netfilter(self) -> Netfilter:
        if self._netfilter is None:
            raise RuntimeError("kube-proxy is not prepared")
        return self._netfilter

    def _measure(self, seconds: float, *, full: bool) -> None:
        metrics = self._metrics
        self._updated = self._clock()
        metrics.sync_duration.observe(seconds)
        (metrics.full_sync_duration if full else metrics.partial_sync_duration).observe(seconds)
        metrics.last_sync.set(self._updated.timestamp())
        for table, chains in self._state.tables.items():
            metrics.rules.labels(table).set(sum(map(len, chains.values())))

    async def _look_for_drift(self) -> None:
        """Did somebody else change our rules? Then the next sync looks at everything.

        The kernel's own words after the last look are remembered: as long as it says
        the same, nothing has to be parsed.
        """
        text = await self._ready_netfilter.save()
        if text == self._saved:
            return
        state = self._state
        lost = await asyncio.to_thread(
            lambda: restore.drifted(parse_save(text), state.tables, state.jumps)
        )
        if not lost:
            self._saved = text
            return
        log.warning("%s: rules were changed by somebody else: %s", self._node.name, lost[:5])
        shown = ", ".join(lost[:5]) + (" …" if len(lost) > 5 else "")
        self._warn("ProxyRulesRepaired", f"rules were changed by somebody else: {shown}")
        self._metrics.repairs.inc()
        self._held = None

    async def _forget_stale_flows(self, services: ServiceTable) -> None:
        ports = udp_ports(services)
        if ports == self._udp:
            return
        try:
            deleted = await asyncio.to_thread(self._delete_stale_flows, ports)
        except HostError as error:
            log.warning("%s: stale UDP flows stay: %s", self._node.name, error)
            return  # The next sync finds them again.
        self._udp = ports
        self._metrics.flows_deleted.inc(deleted)

    def _delete_stale_flows(self, ports: frozenset[ServedPort]) -> int:
        stale = list(stale_flows(self._conntrack.udp_flows(), ports))
        return self._conntrack.forget(stale) if stale else 0

    async def _serve_health_checks(self, services: ServiceTable) -> None:
        wanted: dict[int, tuple[ObjectKey, set[object]]] = {}
        for served in services:
            port = served.port
            if port.health_check_node_port:
                _, here = wanted.setdefault(port.health_check_node_port, (port.service, set()))
                here.update(
                    e.address for e in served.endpoints if e.ready and e.node == self._node.name
                )
        counts = {port: (service, len(here)) for port, (service, here) in wanted.items()}
        for service in await self._servers.set_services(counts):
            self._warn(
                "FailedToStartServiceHealthcheck",
                f"node {self._node.name} failed to start healthcheck of Service {service}",
            )


def _eligible(node: Node | None) -> bool:
    """May a load balancer send traffic to this node?"""
    if node is None or node.metadata.deletion_timestamp is not None:
        return False
    return all(taint.key != _DOOMED_TAINT for taint in node.spec.taints)


def _read_flag(path: str) -> bool:
    try:
        with open(path, encoding="ascii") as file:
            return file.read().strip() not in ("", "0")
    except FileNotFoundError:
        return False  # conntrack comes with the first rule that needs it.


def _write_sysctls(sysctls: dict[str, str]) -> None:
    """Set sysctls of the calling thread's namespace."""
    for name, value in sysctls.items():
        try:
            with open("/proc/sys/" + name.replace(".", "/"), "w", encoding="ascii") as file:
                file.write(value)
        except OSError as error:
            raise HostError(f"setting {name}={value}", answer=error.strerror or "") from error
