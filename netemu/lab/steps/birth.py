"""`birth`: apply something and tell, from the watch, who did what until it ran."""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from netemu.client.contract import WatchEvent
from netemu.errors import UserError
from netemu.lab import references
from netemu.lab.contract import Step, StepFailedError
from netemu.lab.lab import Lab
from netemu.lab.steps.apply import Apply
from netemu.model.apps_v1 import Deployment, ReplicaSet
from netemu.model.core_v1 import Event, Pod
from netemu.model.schema import ApiObject

_WATCHED: tuple[type[ApiObject], ...] = (Deployment, ReplicaSet, Pod, Event)


@dataclass(frozen=True, slots=True)
class Moment:
    """Something that the watch showed.

    Four watches have no order among each other; the one counter of all writes has.
    """

    revision: int
    at: float
    who: str
    what: str


class Birth(Step):
    apply: str
    """A manifest beside the scenario."""
    of: str
    """`deployment/NAME`: its birth is over when it is available."""
    within_s: float = msgspec.field(default=20.0, name="withinSeconds")
    """How long the birth may take."""

    def check(self, folder: Path) -> None:
        Apply(file=self.apply).check(folder)
        if references.check(self.of).type is not Deployment:
            raise UserError(f'of: "{self.of}" is no deployment/NAME')

    def title(self) -> str:
        return f"apply {self.apply} and watch {self.of} come to life"

    async def run(self, lab: Lab) -> str:
        _, namespace, name = lab.split(self.of)
        story = _Story(name)
        async with asyncio.TaskGroup() as group:
            watches = []
            for kind in _WATCHED:
                start = (await lab.client.list(kind, namespace)).resource_version
                watches.append(group.create_task(story.follow(lab, kind, namespace, start)))
            began = time.monotonic()
            await Apply(file=self.apply).run(lab)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self.within_s):
                    await story.over.wait()
            for watch in watches:
                watch.cancel()
        text = story.tell(began)
        if not story.over.is_set():
            raise StepFailedError(f"not available after {self.within_s:g} s\n{text}")
        return text


class _Story:
    """What was seen of one Deployment and of what came of it, first times only."""

    def __init__(self, name: str) -> None:
        self.over = asyncio.Event()
        self._name = name
        self._available = False
        self._started = False
        self._moments: dict[tuple[str, str], Moment] = {}

    async def follow(
        self, lab: Lab, kind: type[ApiObject], namespace: str, resource_version: str
    ) -> None:
        watch = lab.client.watch(kind, namespace, resource_version=resource_version)
        async for event in watch:
            self._see(event)

    def _see(self, event: WatchEvent[ApiObject]) -> None:
        obj = event.object
        about = obj.involved_object.name if isinstance(obj, Event) else obj.metadata.name
        if not about.startswith(self._name):
            return
        if isinstance(obj, Event):
            self._see_event(obj)
        elif isinstance(obj, Deployment):
            self._see_deployment(obj)
        elif isinstance(obj, ReplicaSet):
            self._note(obj, "deployment-controller", f"stores ReplicaSet {about}")
        elif isinstance(obj, Pod):
            self._see_pod(obj)
        if self._available and self._started:
            self.over.set()

    def _see_event(self, event: Event) -> None:
        """What controllers and scheduler tell is what the objects show; the kubelet tells more."""
        if event.source.component == "kubelet":
            self._note(event, "kubelet", f"tells: {event.message}")
            self._started |= event.reason == "Started"

    def _see_deployment(self, deployment: Deployment) -> None:
        self._note(deployment, "kubectl", f"stores Deployment {deployment.metadata.name}")
        if deployment.status.available_replicas == deployment.spec.replicas:
            self._note(deployment, "deployment-controller", "counts: the Deployment is available")
            self._available = True

    def _see_pod(self, pod: Pod) -> None:
        name = pod.metadata.name
        self._note(pod, "replicaset-controller", f"stores Pod {name}, for no node yet")
        if pod.spec.node_name:
            self._note(pod, "scheduler", f"binds it to {pod.spec.node_name}")
        if pod.status.pod_ip:
            self._note(pod, "kubelet", f"has cabled it: {pod.status.pod_ip}")
        if pod.status.phase == "Running":
            self._note(pod, "kubelet", "reports that it is Running")
        if any(c.type == "Ready" and c.status == "True" for c in pod.status.conditions):
            self._note(pod, "kubelet", "reports that it is Ready")

    def _note(self, obj: ApiObject, who: str, what: str) -> None:
        """Keep what was seen for the first time."""
        moment = Moment(int(obj.metadata.resource_version), time.monotonic(), who, what)
        self._moments.setdefault((who, what), moment)

    def tell(self, began: float) -> str:
        """Return the moments in order, a line each."""
        lines = []
        at = began
        for moment in sorted(self._moments.values(), key=lambda moment: moment.revision):
            at = max(at, moment.at)
            lines.append(f"{1000 * (at - began):7.1f} ms  {moment.who:<22}  {moment.what}")
        return "\n".join(lines)


STEP: Final = Birth
