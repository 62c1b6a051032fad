"""What a step works with: a running cluster, seen as its user sees it.

Everything goes through the API, except for the packets: those are sent from inside
the network namespace of the pod, node or host that a step names.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from netemu.client.https import HttpsClient
from netemu.client.pods import pods_of, resource_named
from netemu.client.streams import run_in_pod
from netemu.core import names
from netemu.core.control.pods import is_ready
from netemu.errors import ApiError, UserError
from netemu.host.clusters import load_settings
from netemu.host.netns import Netns
from netemu.lab import references
from netemu.lab.contract import StepFailedError
from netemu.lab.loading import RunningLoad
from netemu.lab.moments import Moment
from netemu.lab.probing import Names
from netemu.lab.resolver import ResolvConf
from netemu.model.apps_v1 import Deployment, ReplicaSet
from netemu.model.core_v1 import Node, Pod, Service
from netemu.model.selector import from_label_selector
from netemu.model.settings import ClusterSettings, NodeSettings

T = TypeVar("T")
_POLL_S = 0.02
_LATE_S = 0.1
"""A moment that has passed for longer than this is worth a word."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where packets come from."""

    title: str
    netns: str
    """Path of a network namespace; empty for the host's."""
    names: Names


@dataclass(eq=False)
class Lab:
    """One cluster under a scenario."""

    settings: ClusterSettings
    client: HttpsClient
    folder: Path
    """Relative paths in the scenario start here."""
    default_namespace: str = "default"
    began: float = field(default_factory=time.monotonic)
    """When the first step was about to be taken; what `at` counts from."""
    loads: dict[str, RunningLoad] = field(default_factory=dict)
    """What is being sent in the background, by the name that a step gave it."""
    _threads: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(thread_name_prefix="lab")
    )
    _netns: dict[tuple[str, int], Netns] = field(default_factory=dict)
    _resolv_confs: dict[str, ResolvConf] = field(default_factory=dict)
    """By Pod's uid."""
    _origins: dict[str, Origin] = field(default_factory=dict)
    """Of Pods, as they were when they were last asked for."""

    def close(self) -> None:
        for load in self.loads.values():
            load.end()
        for each in self._netns.values():
            each.close()
        self._threads.shutdown()

    # --- objects -------------------------------------------------------------

    def split(self, reference: str) -> tuple[str, str, str]:
        """Split `KIND/NAME` or `KIND/NAMESPACE/NAME`; UserError if it is neither."""
        return references.split(reference, self.default_namespace)

    async def pods(self, reference: str) -> list[Pod]:
        """Return the live Pods of a Pod's, Deployment's, ReplicaSet's or Service's reference."""
        kind, namespace, name = self.split(reference)
        return await pods_of(self.client, resource_named(kind), name, namespace)

    async def ready_pod(self, reference: str, *, within_s: float = 10.0) -> Pod:
        """Return one Ready Pod of the reference, the first by name; waits for it."""

        async def look() -> Pod | None:
            try:
                ready = [pod for pod in await self.pods(reference) if is_ready(pod)]
            except ApiError as error:
                if not error.not_found:
                    raise
                return None
            return min(ready, key=lambda pod: pod.metadata.name, default=None)

        return await self.until(look, within_s=within_s, what=f"a ready Pod of {reference}")

    async def ending_pods(self, owner: Deployment | ReplicaSet) -> list[Pod]:
        """Return the owner's Pods that are being deleted and are not gone yet."""
        labels = str(from_label_selector(owner.spec.selector))
        pods = (await self.client.list(Pod, owner.metadata.namespace, labels=labels)).items
        return [pod for pod in pods if pod.metadata.deletion_timestamp]

    async def until(
        self,
        look: Callable[[], Awaitable[T | None]],
        *,
        within_s: float,
        what: str,
        seen: Callable[[], str] = str,
    ) -> T:
        """Ask until there is an answer; StepFailedError says what did not come, and what did."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + within_s
        while (found := await look()) is None:
            if loop.time() > deadline:
                instead = f"; seen: {seen()}" if seen() else ""
                raise StepFailedError(f"waited {within_s:g} s for {what}{instead}")
            await asyncio.sleep(_POLL_S)
        return found

    async def wait_for(self, moment: Moment) -> str:
        """Wait until it has come; return how late it is if it has long passed."""
        began = self.loads[moment.load].began if moment.load else self.began
        left_s = began + moment.after_s - time.monotonic()
        await asyncio.sleep(max(0.0, left_s))
        return f" ({-left_s:.1f} s late)" if left_s < -_LATE_S else ""

    async def blocking(self, call: Callable[..., T], /, *args: object, **kw: object) -> T:
        """Run what blocks in a thread of its own."""
        bound = functools.partial(call, *args, **kw)
        return await asyncio.get_running_loop().run_in_executor(self._threads, bound)

    # --- packets -------------------------------------------------------------

    def node(self, name: str) -> NodeSettings:
        """Return what is known of a node; UserError if there is none of that name."""
        # Read anew: nodes are added and removed while a scenario runs.
        nodes = load_settings(self.settings.name).nodes
        for node in nodes:
            if node.name == name:
                return node
        raise UserError(f'no node "{name}"; there are: {", ".join(node.name for node in nodes)}')

    async def origin(self, reference: str) -> Origin:
        """Return where `host`, `node/NAME` or any Pod's reference sends from."""
        if reference in references.OUTSIDE:
            return Origin(reference, "", Names(ResolvConf(), self._known_names()))
        kind, _, name = reference.partition("/")
        if kind == "node":
            path = f"/run/netns/{names.node_netns(self.settings.name, self.node(name).name)}"
            conf = ResolvConf((str(self.settings.cluster_dns),))
            return Origin(reference, path, Names(conf, self._known_names()))
        try:
            self._origins[reference] = await self.pod_origin(await self.ready_pod(reference))
        except ApiError as error:
            # Without its API server a cluster goes on: packets leave from where they did.
            if error.code != 503 or reference not in self._origins:
                raise
        return self._origins[reference]

    def _known_names(self) -> dict[str, str]:
        """Names that need no question, outside of Pods."""
        nodes = load_settings(self.settings.name).nodes
        return {node.name: str(node.address) for node in nodes} | {
            "host": str(self.settings.host_address)
        }

    async def pod_origin(self, pod: Pod) -> Origin:
        """Return where this very Pod sends from, with its own idea of names."""
        meta = pod.metadata
        if pod.spec.host_network:
            return await self.origin(f"node/{pod.spec.node_name}")
        netns = names.pod_netns(self.settings.name, pod.spec.node_name, meta.namespace, meta.name)
        if meta.uid not in self._resolv_confs:
            _, text = await run_in_pod(self.client, pod, ["cat", "/etc/resolv.conf"])
            self._resolv_confs[meta.uid] = ResolvConf.parse(text.decode(errors="replace"))
        names_of_pod = Names(self._resolv_confs[meta.uid], {})
        return Origin(f"pod/{meta.name}", f"/run/netns/{netns}", names_of_pod)

    async def running_pod(self, reference: str) -> Pod:
        """Return the Pod that is named if it runs, ready or not; else `ready_pod`."""
        kind, namespace, name = self.split(reference)
        if resource_named(kind).type is Pod:
            with contextlib.suppress(ApiError):
                pod = await self.client.get(Pod, name, namespace)
                if pod.status.phase == "Running" and not pod.metadata.deletion_timestamp:
                    return pod
        return await self.ready_pod(reference)

    async def ready_pods(self, reference: str) -> list[Pod]:
        """Return all Ready Pods of the reference, by name; waits for the first."""
        await self.ready_pod(reference)
        return [pod for pod in await self.pods(reference) if is_ready(pod)]

    async def expand(self, text: str, write: Callable[[str], str] = str) -> str:
        """Replace `{pod/NAME}`, `{node/NAME}`, `{service/NAME}`, `{host}` by their addresses.

        Of what has several Pods the first ready one counts, and of a Service its own
        address; `write` turns an address into what stands in its place.
        """
        for reference in set(references.PLACEHOLDER.findall(text)):
            address = await self._address(reference)
            text = text.replace(f"{{{reference}}}", write(address))
        return text

    async def _address(self, reference: str) -> str:
        if reference == "host":
            return str(self.settings.host_address)
        kind, namespace, name = self.split(reference)
        found = resource_named(kind).type
        if found is Node:
            return str(self.node(name).address)
        if found is Service:
            return (await self.client.get(Service, name, namespace)).spec.cluster_ip
        return (await self.ready_pod(reference)).status.pod_ip

    async def send(
        self, origin: Origin, probe: Callable[..., T], /, *args: object, **kw: object
    ) -> T:
        """Run a probe function inside the origin's network namespace."""
        bound = functools.partial(probe, *args, **kw)
        if not origin.netns:
            return await self.blocking(bound)
        # A Pod that was replaced by one of its name has another namespace at this path.
        identity = (origin.netns, os.stat(origin.netns).st_ino)
        if identity not in self._netns:
            self._netns[identity] = Netns.open(origin.netns, name=origin.title)
        return await self._netns[identity].call(bound)
