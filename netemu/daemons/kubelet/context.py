"""What all Pod workers of one node share."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import PurePosixPath

from netemu.client.contract import Client
from netemu.client.events import EventRecorder
from netemu.core.kubelet.node import HostFacts, allocatable
from netemu.core.kubelet.resolv_conf import ResolvConf, parse
from netemu.daemons.kubelet.host_port_rules import HostPortRules
from netemu.daemons.kubelet.sources import ObjectSources
from netemu.host.contract import PodNetwork, Runtime
from netemu.host.netns import Netns
from netemu.model.core_v1 import Pod
from netemu.model.schema import Quantity
from netemu.model.settings import ClusterSettings, NodeSettings

_SANDBOXES_AT_ONCE = 12
"""More would only queue up in the zygote, which has one thread."""


@dataclass(slots=True, kw_only=True)
class NodeContext:
    """One node's collaborators and facts."""

    client: Client
    settings: ClusterSettings
    node: NodeSettings
    runtime: Runtime
    network: PodNetwork
    netns: Netns
    clock: Callable[[], datetime]
    state_dir: PurePosixPath
    facts: HostFacts
    events: EventRecorder
    sources: ObjectSources
    tasks: asyncio.TaskGroup
    host_ports: HostPortRules

    network_ready: asyncio.Event = field(default_factory=asyncio.Event)
    creating: asyncio.Semaphore = field(
        default_factory=lambda: asyncio.Semaphore(_SANDBOXES_AT_ONCE)
    )
    resolv_conf: ResolvConf = field(init=False)
    allocatable: dict[str, Quantity] = field(init=False)

    def __post_init__(self) -> None:
        self.resolv_conf = parse(self.facts.resolv_conf)
        self.allocatable = allocatable(self.facts, self.node)

    def now(self) -> float:
        return self.clock().timestamp()

    def tell(
        self, pod: Pod, reason: str, message: str, *, container: str = "", warning: bool = False
    ) -> None:
        """Make an event about a Pod or one of its containers."""
        sidecars = {c.name for c in pod.spec.init_containers}
        kind = "initContainers" if container in sidecars else "containers"
        self.events.event(
            pod,
            "Warning" if warning else "Normal",
            reason,
            message,
            field_path=f"spec.{kind}{{{container}}}" if container else "",
        )
