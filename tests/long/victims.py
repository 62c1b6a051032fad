"""Victims: the processes of a cluster, found by what is on record, and how they die.

A kill is SIGKILL, without a word. Each way of killing waits, within bounds, until the
cluster is whole again, and tells which failures of the load it excuses.
"""

from __future__ import annotations

import asyncio
import random
import signal
import subprocess
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from long.api_user import ApiUser
from long.load import NOTICED_WITHIN_S, Window, now
from netemu_command import Netemu

from netemu.host import clusters
from netemu.host.clusters import ClusterFolders
from netemu.host.processes import ProcessId
from netemu.host.zygote import birth
from netemu.host.zygote.records import Records, SandboxRecord
from netemu.model.runtime import ContainerPhase, SandboxKind

_WITHOUT_DAEMON = ("daemon", "daemon and zygote", "daemon while it adopts")
WHOLE_WITHIN_S = 60.0
_LOOK_AGAIN_S = 0.02
_RESTARTS_MOST = 1
"""Beyond, back-off keeps a container away for so long that it is replaced instead."""


def daemon_of(name: str) -> ProcessId | None:
    record = clusters.daemon_of(name)
    return record.process if record else None


def zygote_of(name: str) -> ProcessId | None:
    try:
        pid, start = (ClusterFolders(name).run / "zygote.pid").read_text().split()
    except (FileNotFoundError, ValueError):
        return None
    found = ProcessId(int(pid), int(start))
    return found if found.alive else None


class Victims:
    """One cluster's, and the ways to kill them."""

    def __init__(self, netemu: Netemu, name: str, user: ApiUser, dice: random.Random) -> None:
        self._netemu = netemu
        self._name = name
        self._user = user
        self._dice = dice
        self.windows: list[Window] = []
        self.kills: Counter[str] = Counter()
        self.timeline: list[tuple[str, float, float]] = []
        """What was killed, when, and when the cluster was whole again."""
        self.ways: dict[str, Callable[[], Awaitable[None]]] = {
            "daemon": self.daemon,
            "zygote": self.zygote,
            "daemon and zygote": self.both,
            "daemon while it adopts": self.adopting,
            "node holder": self.holder,
            "pause": self.pause,
            "container": self.container,
            "DNS server": self.dns,
        }

    async def kill(self, what: str) -> None:
        began = now()
        async with asyncio.timeout(WHOLE_WITHIN_S):
            await self.ways[what]()
        self.kills[what] += 1
        self.timeline.append((what, began, now()))

    def excuses(self) -> list[Window]:
        """Return the windows; what died just before a daemon did is the next one's to notice.

        That one's, not the one's after: an excuse outlasts one outage, never two.
        """
        return [replace(window, ended=self._noticed(window)) for window in self.windows]

    def _noticed(self, window: Window) -> float:
        outages = (
            whole
            for what, began, whole in self.timeline
            if what in _WITHOUT_DAEMON and window.began <= began <= window.ended + NOTICED_WITHIN_S
        )
        return max(window.ended, next(outages, window.ended))

    def slowest(self) -> dict[str, float]:
        """Return the seconds until the cluster was whole again, at most, by what was killed."""
        slowest: dict[str, float] = {}
        for what, began, whole in self.timeline:
            slowest[what] = max(slowest.get(what, 0.0), whole - began)
        return slowest

    # The backbone.

    async def daemon(self) -> None:
        await self._end(daemon_of(self._name))
        await self._some_time(0.3)
        if self._dice.random() < 0.5:
            await self._up()
        else:  # Any verb that needs a daemon starts one.
            words = ("get", "nodes", "--cluster", self._name)
            await asyncio.to_thread(self._netemu, *words)

    async def zygote(self) -> None:
        before = zygote_of(self._name)
        await self._end(before)
        await self._until(lambda: zygote_of(self._name) not in (None, before))
        await self._until(lambda: birth.answers(ClusterFolders(self._name).run))

    async def both(self) -> None:
        pair = [daemon_of(self._name), zygote_of(self._name)]
        self._dice.shuffle(pair)
        for one in pair:
            await self._end(one)
        await self._some_time(0.3)
        await self._up()

    async def adopting(self) -> None:
        """The daemon, and the next one somewhere on its way, or that one's `up`."""
        await self._end(daemon_of(self._name))
        up = self._netemu.start("up", self._name, "--no-context")
        await self._some_time(1.2)
        victim = daemon_of(self._name)
        if victim is not None:
            victim.signal(signal.SIGKILL)
        else:
            up.kill()
        await asyncio.to_thread(up.communicate, timeout=WHOLE_WITHIN_S)
        await self._up()

    async def _up(self) -> None:
        await asyncio.to_thread(self._netemu, "up", self._name, "--no-context")

    # What it has made.

    async def holder(self) -> None:
        """A node's namespaces have names, and go on: that nobody may notice."""
        holders = [record.state for record in self.sandboxes()]
        alive = [s for s in holders if s.kind is SandboxKind.NODE and s.node and s.alive]
        chosen = self._dice.choice(sorted(alive, key=lambda state: state.node))
        ProcessId(chosen.pid, chosen.pid_start).signal(signal.SIGKILL)

    async def pause(self) -> None:
        pod = await self._some_pod("default", "app=web")
        found = (r.state for r in self.sandboxes())
        state = next(state for state in found if state.id == pod["metadata"]["uid"])
        await self._hit(pod, ProcessId(state.pid, state.pid_start), "web")

    async def container(self) -> None:
        pod = await self._some_pod("default", "app=web")
        await self._hit(pod, self._process_of(pod), "web")

    async def dns(self) -> None:
        pod = await self._some_pod("kube-system", "k8s-app=kube-dns")
        await self._hit(pod, self._process_of(pod), "dns")

    def sandboxes(self) -> list[SandboxRecord]:
        return list(Records(str(ClusterFolders(self._name).run)).sandboxes())

    def _process_of(self, pod: Any) -> ProcessId:
        for record in list(Records(str(ClusterFolders(self._name).run)).containers()):
            state = record.state
            if state.sandbox == pod["metadata"]["uid"] and state.phase is ContainerPhase.RUNNING:
                return ProcessId(state.pid, record.pid_start)
        raise AssertionError(f"nothing runs in {pod['metadata']['name']}: {pod['status']}")

    async def all_recover(self) -> None:
        """Wait until whoever was hit is as it should be."""
        await self._some_pod("default", "app=web")
        await self._some_pod("kube-system", "k8s-app=kube-dns")

    async def _some_pod(self, namespace: str, labels: str) -> Any:
        """Return a ready Pod, when all that there should be are."""
        async with asyncio.timeout(WHOLE_WITHIN_S):
            while True:
                path = f"/api/v1/namespaces/{namespace}/pods?labelSelector={labels}"
                pods = (await self._user.read(path))["items"]
                if pods and all(map(_is_ready, pods)):
                    return self._dice.choice(sorted(pods, key=lambda p: p["metadata"]["name"]))
                await asyncio.sleep(_LOOK_AGAIN_S)

    async def _hit(self, pod: Any, process: ProcessId, probes: str) -> None:
        """Kill, wait until the API knows, replace a Pod that was hit too often."""
        began = now()
        name = pod["metadata"]["name"]
        assert process.signal(signal.SIGKILL), f"{name} has died by itself"
        path = f"/api/v1/namespaces/{pod['metadata']['namespace']}/pods/{name}"
        while True:
            found = await self._user.read(path)
            if found is None or _container_id(found) != _container_id(pod) or not _is_ready(found):
                break
            await asyncio.sleep(_LOOK_AGAIN_S)
        if found and found["status"]["containerStatuses"][0]["restartCount"] >= _RESTARTS_MOST:
            await self._user.call("DELETE", path, {"gracePeriodSeconds": 0})
        self.windows.append(Window(probes, began, now(), f"{process} of {name}"))

    # How.

    async def _end(self, process: ProcessId | None) -> None:
        assert process is not None, f"{self._name} has died by itself"
        process.signal(signal.SIGKILL)
        assert await asyncio.to_thread(process.wait, 5.0)

    async def _some_time(self, most_s: float) -> None:
        """Let a random part of it pass: that is the moment of death."""
        await asyncio.sleep(self._dice.uniform(0, most_s))

    async def _until(self, holds: Callable[[], Any]) -> None:
        while not holds():
            await asyncio.sleep(_LOOK_AGAIN_S)


def _is_ready(pod: Any) -> bool:
    conditions = pod["status"].get("conditions", [])
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def _container_id(pod: Any) -> str:
    return str(pod["status"]["containerStatuses"][0]["containerID"])


# --- `up` and `down` themselves -----------------------------------------------------------


class Ephemeral:
    """A small cluster whose `up` and `down` die half-way, again and again."""

    def __init__(self, netemu: Netemu, name: str, dice: random.Random) -> None:
        self._netemu = netemu
        self._name = name
        self._dice = dice
        self.kills: Counter[str] = Counter()

    def kill_both(self) -> None:
        """Kill an `up`, bring it up; kill its `down`, take it down; nothing must be left."""
        self._kill_soon("up", "--nodes", "1", "--no-context", within_s=1.0)
        self._netemu("up", self._name, "--nodes", "1", "--no-context")
        nodes = self._netemu("get", "nodes", "-o", "json", "--cluster", self._name).json["items"]
        assert len(nodes) == 1
        self._kill_soon("down", within_s=0.5)
        self._netemu("down", self._name)
        assert traces(self._name) == []

    def _kill_soon(self, verb: str, *words: str, within_s: float) -> None:
        command = self._netemu.start(verb, self._name, *words)
        try:
            command.communicate(timeout=self._dice.uniform(0, within_s))
        except subprocess.TimeoutExpired:
            command.kill()
        command.communicate()
        self.kills[f"`{verb}`"] += 1


def traces(name: str) -> list[str]:
    """Return what a cluster has left behind on this host."""
    folders = ClusterFolders(name)
    places = [folders.run, folders.state, folders.run.with_name(f".{name}.gone")]
    places.append(folders.run.parent / ".locks" / name)
    found = [str(place) for place in places if place.exists()]
    for program in ("ip netns", "ip -o link", "ps axo pid,args"):
        done = subprocess.run(program.split(), capture_output=True, text=True, check=True)
        found += [line for line in done.stdout.splitlines() if name in line]
    return found
