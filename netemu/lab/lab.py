"""What a step works with: a running cluster, seen as its user sees it.

Everything goes through the API, except for the packets: those are sent from inside
the network namespace of the pod, node or host that a step names.
"""

from __future__ import annotations

import asyncio
import functools
import os
import re
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
from netemu.host.netns import Netns
from netemu.lab import references
from netemu.lab.contract import StepFailedError
from netemu.lab.probing import Names
from netemu.lab.resolver import ResolvConf
from netemu.model.core_v1 import Pod
from netemu.model.settings import ClusterSettings

T = TypeVar("T")
_POLL_S = 0.02


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
    _threads: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(thread_name_prefix="lab")
    )
    _netns: dict[tuple[str, int], Netns] = field(default_factory=dict)

    def close(self) -> None:
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

    # --- packets -------------------------------------------------------------

    async def origin(self, reference: str) -> Origin:
        """Return where `host`, `node/NAME` or any Pod's reference sends from."""
        known = {node.name: str(node.address) for node in self.settings.nodes}
        known["host"] = str(self.settings.host_address)
        if reference == "host":
            return Origin("host", "", Names(ResolvConf(), known))
        kind, _, name = reference.partition("/")
        if kind == "node":
            if name not in known or name == "host":
                nodes = ", ".join(node.name for node in self.settings.nodes)
                raise UserError(f'no node "{name}"; there are: {nodes}')
            path = f"/run/netns/{names.node_netns(self.settings.name, name)}"
            conf = ResolvConf((str(self.settings.cluster_dns),))
            return Origin(reference, path, Names(conf, known))
        pod = await self.ready_pod(reference)
        meta = pod.metadata
        if pod.spec.host_network:
            return await self.origin(f"node/{pod.spec.node_name}")
        netns = names.pod_netns(self.settings.name, pod.spec.node_name, meta.namespace, meta.name)
        _, text = await run_in_pod(self.client, pod, ["cat", "/etc/resolv.conf"])
        conf = ResolvConf.parse(text.decode(errors="replace"))
        return Origin(f"pod/{meta.name}", f"/run/netns/{netns}", Names(conf, {}))

    async def expand(self, text: str) -> str:
        """Replace each `{pod/NAME}` and the like by the address of its first ready Pod."""
        for reference in set(re.findall(r"\{([a-z]+/[^{}]+)\}", text)):
            pod = await self.ready_pod(reference)
            text = text.replace(f"{{{reference}}}", pod.status.pod_ip)
        return text

    async def send(
        self, origin: Origin, probe: Callable[..., T], /, *args: object, **kw: object
    ) -> T:
        """Run a probe function inside the origin's network namespace."""
        bound = functools.partial(probe, *args, **kw)
        if not origin.netns:
            return await asyncio.get_running_loop().run_in_executor(self._threads, bound)
        # A Pod that was replaced by one of its name has another namespace at this path.
        identity = (origin.netns, os.stat(origin.netns).st_ino)
        if identity not in self._netns:
            self._netns[identity] = Netns.open(origin.netns, name=origin.title)
        return await self._netns[identity].call(bound)
