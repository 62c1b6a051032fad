"""Writing Pods' statuses: coalesced, at most one write of a Pod at a time.

A worker says "soon" as often as it likes; the status is computed when it is written,
and one that is as it was before is not written at all.
"""

from __future__ import annotations

import asyncio
import logging

import msgspec

from netemu.client.work_queue import WorkQueue
from netemu.core.kubelet import status
from netemu.daemons.kubelet.context import NodeContext
from netemu.daemons.kubelet.pod_worker import PodWorker
from netemu.errors import ApiError
from netemu.model.core_v1 import Pod

log = logging.getLogger(__name__)

_WRITERS = 4
_CONFLICTS_MAX = 5


class StatusWriter:
    """The one voice in which a kubelet tells of its Pods."""

    def __init__(self, node: NodeContext) -> None:
        self._node = node
        self._queue: WorkQueue[str] = WorkQueue()
        self._workers: dict[str, PodWorker] = {}
        self._locks: dict[str, asyncio.Lock] = {}

    def soon(self, worker: PodWorker, delay_s: float) -> None:
        uid = worker.pod.metadata.uid
        self._workers[uid] = worker
        if delay_s:
            self._queue.add_after(uid, delay_s)
        else:
            self._queue.add(uid)

    def forget(self, uid: str) -> None:
        self._workers.pop(uid, None)
        self._locks.pop(uid, None)

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(_WRITERS):
                group.create_task(self._write_queued())

    async def _write_queued(self) -> None:
        while True:
            uid = await self._queue.get()
            try:
                if (worker := self._workers.get(uid)) is not None:
                    await self.write(worker)
                self._queue.forget(uid)
            except ApiError as error:
                log.warning("writing the status of pod %s: %s", uid, error)
                self._queue.add_rate_limited(uid)
            finally:
                self._queue.done(uid)

    async def write(self, worker: PodWorker) -> None:
        """Write the status as it is now, if it differs from what the API server has."""
        lock = self._locks.setdefault(worker.pod.metadata.uid, asyncio.Lock())
        async with lock:
            for _ in range(_CONFLICTS_MAX):
                if worker.removed or worker.memory.frozen:
                    return
                if await self._try(worker):
                    return

    async def _try(self, worker: PodWorker) -> bool:
        """Write once; False on a conflict, with a fresh Pod to try again with."""
        pod, node = worker.pod, self._node
        wanted = status.make(pod, worker.memory, host_ip=node.node.address, now=node.now())
        if wanted == pod.status:
            return True
        meta = pod.metadata
        try:
            written = await node.client.update(
                msgspec.structs.replace(pod, status=wanted), subresource="status"
            )
            worker.update(written)
            return True
        except ApiError as error:
            if error.not_found:
                return True  # Its removal is on the way to the worker.
            if not error.conflict:
                raise
        fresh = await self._fresh(meta.name, meta.namespace)
        if fresh is None or fresh.metadata.uid != meta.uid:
            return True
        worker.update(fresh)
        return False

    async def _fresh(self, name: str, namespace: str) -> Pod | None:
        try:
            return await self._node.client.get(Pod, name, namespace)
        except ApiError as error:
            if error.not_found:
                return None
            raise
