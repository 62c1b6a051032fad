"""The scheduler: watches Pods without a Node and binds each to the Node that suits it best.

    informers → Cluster (running sums) and SchedulingQueue → cycle → assume → bind

A cycle is pure and instant. Its result is assumed in memory at once, so that a
hundred Pods placed in one go see each other; binding follows on its own. What
cannot be bound is forgotten again and tried later.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from datetime import datetime

from netemu.client.contract import Client, PatchType
from netemu.client.events import EventRecorder
from netemu.client.informer import Informers
from netemu.core.control.ownership import controller_of
from netemu.core.control.pods import TERMINAL_PHASES, condition_of
from netemu.core.control.selectors import selector_of
from netemu.core.control.services import selects
from netemu.core.scheduling.cluster import Cluster
from netemu.core.scheduling.contract import Candidate, Wake
from netemu.core.scheduling.cycle import Placement, schedule
from netemu.core.scheduling.profile import default_profile
from netemu.core.scheduling.queue import SchedulingQueue
from netemu.core.scheduling.requests import PodInfo, pod_info
from netemu.errors import ApiError
from netemu.model.apps_v1 import ReplicaSet
from netemu.model.clock import format_time
from netemu.model.core_v1 import Namespace, Node, Pod, Service
from netemu.model.keys import ObjectKey, key_of
from netemu.model.selector import Selector, from_map

log = logging.getLogger(__name__)

_BREATH = 8
"""Cycles after which the others in this process get their turn."""


class Scheduler:
    """Runs until cancelled; may be killed and started again at any moment."""

    def __init__(
        self,
        *,
        client: Client,
        clock: Callable[[], datetime],
        name: str = "default-scheduler",
    ) -> None:
        self._client = client
        self._clock = clock
        self._name = name
        self._profile = default_profile()
        self._recorder = EventRecorder(client, component=name, clock=clock)
        self._random = random.Random()

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._recorder.run())
            informers = Informers(self._client, task_group=tasks)
            self._tasks = tasks
            self._cluster = Cluster()
            retry_on = {one.name: one.retry_on for one in self._profile.filters}
            self._queue = SchedulingQueue(retry_on)
            self._has_work = asyncio.Event()
            await self._follow(informers)
            while True:
                await self._schedule_all()
                await self._wait()

    async def _follow(self, informers: Informers) -> None:
        self._pods = informers.of(Pod)
        self._services = informers.of(Service)
        self._replica_sets = informers.of(ReplicaSet)
        nodes, namespaces = informers.of(Node), informers.of(Namespace)
        await informers.synced()
        namespaces.subscribe(self._namespace_changed)
        nodes.subscribe(self._node_changed)
        self._pods.subscribe(self._pod_changed)

    async def _wait(self) -> None:
        """Until a Pod is ready to be tried."""
        due_s = self._queue.next_in_s(self._now())
        try:
            async with asyncio.timeout(due_s):
                await self._has_work.wait()
        except TimeoutError:
            pass
        self._has_work.clear()

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    # --- what the API server tells -----------------------------------------------------

    def _namespace_changed(self, _old: Namespace | None, new: Namespace | None) -> None:
        if new is not None:
            self._cluster.namespaces[new.metadata.name] = new.metadata.labels
        elif _old is not None:
            self._cluster.namespaces.pop(_old.metadata.name, None)

    def _node_changed(self, old: Node | None, new: Node | None) -> None:
        if new is None:
            if old is not None:
                self._cluster.remove_node(old.metadata.name)
            return
        if old is not None and not _wakes(old, new):
            return
        self._cluster.set_node(new)
        for what in [Wake.NODE_ADDED] if old is None else _wakes(old, new):
            self._wake(what)

    def _pod_changed(self, old: Pod | None, new: Pod | None) -> None:
        if new is not None and new.spec.node_name:
            self._placed(old, new)
        elif new is None:
            if old is not None:
                self._gone(old)
        elif self._is_pending(new):
            if old is None or _may_fit_better(old, new):
                self._queue.add(key_of(new), new.spec.priority or 0)
                self._has_work.set()
        else:
            self._queue.remove(key_of(new))

    def _placed(self, old: Pod | None, new: Pod) -> None:
        terminal = new.status.phase in TERMINAL_PHASES
        if old is None or not old.spec.node_name:
            self._queue.remove(key_of(new))
            self._wake(Wake.POD_PLACED)
        elif terminal and old.status.phase not in TERMINAL_PHASES:
            self._wake(Wake.POD_REMOVED)
        self._cluster.observe(new)

    def _gone(self, old: Pod) -> None:
        self._queue.remove(key_of(old))
        self._cluster.forget(old.metadata.uid)
        if old.spec.node_name:
            self._wake(Wake.POD_REMOVED)

    def _wake(self, what: Wake) -> None:
        self._queue.wake(what, self._now())
        self._has_work.set()

    def _is_pending(self, pod: Pod) -> bool:
        return (
            (pod.spec.scheduler_name or self._name) == self._name
            and pod.status.phase not in TERMINAL_PHASES
            and not pod.spec.scheduling_gates
        )

    # --- cycles ------------------------------------------------------------------------

    async def _schedule_all(self) -> None:
        tried = 0
        while (key := self._queue.pop(self._now())) is not None:
            pod = self._pods.get(key)
            if pod is None or pod.spec.node_name:
                continue
            if pod.metadata.deletion_timestamp:
                text = f"skip schedule deleting pod: {key}"
                self._recorder.event(pod, "Warning", "FailedScheduling", text)
                continue
            await self._schedule(pod)
            tried += 1
            if tried % _BREATH == 0:
                await asyncio.sleep(0)

    async def _schedule(self, pod: Pod) -> None:
        info = pod_info(pod)
        candidate = Candidate(info, self._group(pod))
        result = schedule(candidate, self._cluster, self._profile, self._random.choice)
        if isinstance(result, Placement):
            self._cluster.assume(info, result.node)
            self._tasks.create_task(self._bind(info, result.node))
            return
        # Parked before anything is awaited: no event that could help is missed.
        self._queue.park(key_of(pod), pod.spec.priority or 0, result.plugins, self._now())
        await self._report(pod, "Unschedulable", result.message)

    def _group(self, pod: Pod) -> Selector | None:
        """The Pods that do the same work as this one: those it is to be spread among."""
        meta = pod.metadata
        selectors = [
            from_map(service.spec.selector)
            for service in self._services.list(meta.namespace)
            if selects(service, pod)
        ]
        owner = controller_of(pod)
        if owner is not None and owner.kind == "ReplicaSet":
            replica_set = self._replica_sets.get(ObjectKey(meta.namespace, owner.name))
            if replica_set is not None:
                selectors.append(selector_of(replica_set.spec.selector))
        if not selectors:
            return None
        return Selector(tuple(one for selector in selectors for one in selector.requirements))

    async def _bind(self, info: PodInfo, node: str) -> None:
        pod = info.pod
        key = key_of(pod)
        try:
            await self._client.bind(key.name, key.namespace, node, uid=pod.metadata.uid)
        except ApiError as error:
            self._cluster.forget(pod.metadata.uid)
            if error.not_found:
                return
            log.info("binding %s to %s: %s", key, node, error)
            self._queue.retry(key, pod.spec.priority or 0, self._now())
            self._has_work.set()
            await self._report(pod, "SchedulerError", f"binding rejected: {error.message}")
            return
        text = f"Successfully assigned {key} to {node}"
        self._recorder.event(pod, "Normal", "Scheduled", text)

    async def _report(self, pod: Pod, reason: str, message: str) -> None:
        """Say on the Pod, and in an event, why it has no Node."""
        self._recorder.event(pod, "Warning", "FailedScheduling", message)
        said = condition_of(pod, "PodScheduled")
        if said is not None and (said.reason, said.message) == (reason, message):
            return
        condition = {
            "type": "PodScheduled",
            "status": "False",
            "reason": reason,
            "message": message,
        }
        if said is None or said.status != "False":
            condition["lastTransitionTime"] = format_time(self._clock())
        meta = pod.metadata
        patch = {"metadata": {"uid": meta.uid}, "status": {"conditions": [condition]}}
        try:
            await self._client.patch(
                Pod,
                meta.name,
                meta.namespace,
                patch,
                how=PatchType.STRATEGIC,
                subresource="status",
            )
        except ApiError as error:
            log.debug("saying that %s is not scheduled: %s", meta.name, error)


def _wakes(old: Node, new: Node) -> list[Wake]:
    """What of a Node's change could make a Pod fit."""
    wakes = []
    if old.metadata.labels != new.metadata.labels:
        wakes.append(Wake.NODE_LABELS)
    if (old.spec.taints, old.spec.unschedulable) != (new.spec.taints, new.spec.unschedulable):
        wakes.append(Wake.NODE_TAINTS)
    if old.status.allocatable != new.status.allocatable:
        wakes.append(Wake.NODE_ALLOCATABLE)
    if old.status.images != new.status.images:
        wakes.append(Wake.NODE_LABELS)
    return wakes


def _may_fit_better(old: Pod, new: Pod) -> bool:
    """A change of the Pod itself; what is said of it in its status is ours."""
    return old.spec != new.spec or old.metadata.labels != new.metadata.labels
