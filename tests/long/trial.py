"""The trial: a cluster under churn and load, one kill after the other, and the reckoning.

    alice, bob, carol …  write ──► API ──► watchers, who resume
         └───── ledger ◄── compared ──┘         load: Pods, NodePorts, DNS
                      killers: one dies, all is whole again, the next dies

All that is random comes from one seed: set NETEMU_TRIAL_SEED to have the same again.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import secrets
import time
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

from host_state import differences, host_state
from long.api_user import ApiUser
from long.churn import NAMESPACE, WRITERS, Writer
from long.ledger import Ledger, revision_of, serial_of
from long.load import Load
from long.victims import Ephemeral, Victims
from long.watchers import Watcher, compare, compare_selection
from netemu_command import Netemu, new_name

from netemu.host import clusters
from netemu.host.clusters import ClusterFolders

WORKLOAD = Path(__file__).with_name("workload.yaml")
UP_AND_DOWN = "`up` and `down`"
_PACE_S = 0.05
_SAY_EVERY = 20
_HURRY_S = 0.3


def the_seed() -> str:
    return os.environ.get("NETEMU_TRIAL_SEED") or secrets.token_hex(4)


class Trial:
    """Who takes part, and what is to be compared in the end."""

    def __init__(self, netemu: Netemu, *, seed: str, say: Callable[[str], None] = print) -> None:
        self.seed = seed
        self._say = say
        self.began = time.monotonic()
        self.netemu = netemu
        self.dice = random.Random(seed)
        self.name = new_name("hit")
        self.ephemeral = Ephemeral(netemu, new_name("eph"), self.dice)
        self.ledger = Ledger()
        self.load = Load()
        say(f"trial of cluster {self.name}; NETEMU_TRIAL_SEED={seed} has it again")

    async def run(self, kills: Mapping[str, int]) -> str:
        """Kill so many of each kind; return the report."""
        before = host_state(self.netemu.home, cluster=self.name)
        try:
            self._bring_up()
            async with self._user() as user:
                self.user = user
                self.victims = Victims(self.netemu, self.name, user, self.dice)
                self.bystanders = await self._bystanders()
                await self._kill_under_churn(kills)
                await self._reckon()
        except BaseException:
            self._tell_logs()
            raise
        finally:
            self.netemu("down", self.name)
            self.netemu("down", self.ephemeral._name)
        left = differences(before, host_state(self.netemu.home, cluster=self.name))
        assert left == {}, left
        return self._report()

    # Before.

    def _bring_up(self) -> None:
        netemu, name = self.netemu, self.name
        netemu("up", name, "--no-context")
        netemu("apply", "-f", str(WORKLOAD), "--cluster", name)
        for deployment in ("steady", "web"):
            netemu.kubectl(name, "rollout", "status", f"deployment/{deployment}", "--timeout=30s")
        netemu.kubectl(name, "wait", "--for=condition=Ready", "pod/client", "--timeout=30s")

    @contextlib.asynccontextmanager
    async def _user(self) -> AsyncIterator[ApiUser]:
        user = ApiUser(ClusterFolders(self.name).kubeconfig)
        try:
            yield user
        finally:
            await user.close()

    async def _bystanders(self) -> dict[str, Any]:
        """Return all of the Pods that are never hit that must stay as it is."""
        pods = (await self.user.read("/api/v1/namespaces/default/pods"))["items"]
        return {
            pod["metadata"]["name"]: (
                pod["metadata"]["uid"],
                pod["status"]["podIP"],
                [
                    (c["containerID"], c["restartCount"], c["state"]["running"]["startedAt"])
                    for c in pod["status"]["containerStatuses"]
                ],
            )
            for pod in pods
            if pod["metadata"]["labels"]["app"] in ("steady", "client")
        }

    async def _address_of(self, service: str) -> str:
        found = await self.user.read(f"/api/v1/namespaces/default/services/{service}")
        return str(found["spec"]["clusterIP"])

    async def _begin_load(self) -> None:
        settings = clusters.load_settings(self.name)
        steady, web = await self._address_of("steady"), await self._address_of("web")
        nodes = [str(node.address) for node in settings.nodes]
        name = f"steady.default.svc.{settings.domain}"
        self.load.begin(
            {
                "steady by ClusterIP": {"http": [steady, 80], "pace_s": _PACE_S},
                "steady, one connection": {"kept": [steady, 80], "pace_s": _PACE_S},
                "web by ClusterIP": {"http": [web, 80], "pace_s": _PACE_S},
                "dns": {"dns": [str(settings.cluster_dns), name], "pace_s": _PACE_S},
            },
            netns=f"netemu-{self.name}-worker-1-default-client",
        )
        self.load.begin(
            {
                f"{service} by NodePort of {node}": {"http": [node, port], "pace_s": 2 * _PACE_S}
                for service, port in (("steady", 30081), ("web", 30080))
                for node in nodes
            }
        )

    # Meanwhile.

    async def _kill_under_churn(self, kills: Mapping[str, int]) -> None:
        stop = asyncio.Event()
        self.hurry = asyncio.Event()
        await self._begin_load()
        try:
            async with asyncio.TaskGroup() as group:
                self.watchers = [
                    Watcher(self.user, writer.plural, group=writer.group)
                    for writer in dict.fromkeys(kind for kind, _ in WRITERS.values())
                ]
                self.red = Watcher(self.user, "configmaps", labels="colour=red")
                for watcher in (*self.watchers, self.red):
                    await watcher.begin()
                watching = [group.create_task(w.run()) for w in (*self.watchers, self.red)]
                churning = [
                    group.create_task(w.run(hurry=self.hurry, stop=stop)) for w in self._writers()
                ]
                for number, what in enumerate(self._order(kills), 1):
                    await self._kill(what)
                    if number % _SAY_EVERY == 0:
                        self._say(f"{number} died in {time.monotonic() - self.began:.0f} s")
                await self.victims.all_recover()
                stop.set()
                await asyncio.wait(churning)
                await self._settled()
                for task in watching:
                    task.cancel()
        finally:
            await self.load.end()

    def _writers(self) -> list[Writer]:
        return [
            kind(name, user=self.user, ledger=self.ledger, seed=self.seed, rate=rate)
            for name, (kind, rate) in WRITERS.items()
        ]

    def _order(self, kills: Mapping[str, int]) -> list[str]:
        order = [what for what, count in kills.items() for _ in range(count)]
        self.dice.shuffle(order)
        return order

    async def _kill(self, what: str) -> None:
        self.hurry.set()
        asyncio.get_running_loop().call_later(_HURRY_S, self.hurry.clear)
        await asyncio.sleep(self.dice.uniform(0, _HURRY_S))
        if what == UP_AND_DOWN:
            await asyncio.to_thread(self.ephemeral.kill_both)
        else:
            await self.victims.kill(what)

    async def _settled(self) -> None:
        for watcher in (*self.watchers, self.red):
            await watcher.caught_up()

    # After.

    async def _reckon(self) -> None:
        """Compare store, watches, load and bystanders with what they must be."""
        await self._compare_store()
        await self.victims.daemon()  # From the file again, and nodes get their holders back.
        await self._compare_store()
        events = [compare(watcher, self.ledger) for watcher in self.watchers]
        everything = next(w for w in self.watchers if w.plural == "configmaps")
        events.append(compare_selection(self.red, everything, "red"))
        self.events = sum(events)
        bad = self.load.unexcused(self.victims.excuses())
        assert bad == [], f"{len(bad)} failures without excuse, first: {bad[:5]}"
        assert await self._bystanders() == self.bystanders
        for record in self.victims.sandboxes():
            assert clusters.ProcessId(record.state.pid, record.state.pid_start).alive, record.state

    async def _compare_store(self) -> None:
        for watcher in self.watchers:
            living = self.ledger.living(watcher.plural)
            group = next(k.group for k, _ in WRITERS.values() if k.plural == watcher.plural)
            path = f"/{group}/namespaces/{NAMESPACE}/{watcher.plural}"
            items = (await self.user.read(path))["items"]
            mine = {obj["metadata"]["name"]: obj for obj in items if serial_of(obj)}
            there = {name: (o["metadata"]["uid"], serial_of(o)) for name, o in mine.items()}
            assert there == {name: (life.uid, life.serial) for name, life in living.items()}
            for name, life in living.items():
                last = max(write.revision for write in life.writes)
                exact = watcher.plural == "configmaps"
                found = revision_of(mine[name])
                assert found == last if exact else found >= last, (name, found, life)

    # What came of it.

    def _report(self) -> str:
        kills = self.victims.kills + self.ephemeral.kills
        excused = len(self.load.failures)
        resumed = sum(watcher.begun - 1 for watcher in (*self.watchers, self.red))
        slowest = ", ".join(f"{k} {s:.1f} s" for k, s in sorted(self.victims.slowest().items()))
        return "\n".join(
            (
                f"{kills.total()} kills in {time.monotonic() - self.began:.0f} s: "
                + ", ".join(f"{what} {count}" for what, count in sorted(kills.items())),
                "writes: " + ", ".join(f"{n} {what}" for what, n in self.ledger.counts.items()),
                f"{self.events} watch events verified, {resumed} watches resumed, 0 relisted",
                f"{self.load.sent.total()} requests, {excused} failed in windows of excuse"
                + "".join(f"; {text}" for text in self._failures_by_window()),
                f"longest until whole again: {slowest}",
            )
        )

    def _failures_by_window(self) -> list[str]:
        texts = []
        for window in self.victims.excuses():
            late = [f.began - window.began for f in self.load.failures if window.excuses(f)]
            if late:
                texts.append(f"{window.probes}: {len(late)}, the last {max(late):.1f} s after")
        return texts

    def _tell_logs(self) -> None:
        run, log = ClusterFolders(self.name).run, ClusterFolders(self.name).daemon_log
        for path in (log, run / "zygote.log"):
            with contextlib.suppress(OSError):
                print(f"--- {path}\n{path.read_text(errors='replace')[-6000:]}")
        if hasattr(self, "victims"):
            for what, began, whole in self.victims.timeline:
                print(f"{began:.3f} … {whole:.3f} {what}")
            for window in self.victims.excuses():
                print(window)
            print(self.victims.kills, self.ephemeral.kills, self.ledger.counts)
