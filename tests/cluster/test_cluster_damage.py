"""Things of a running cluster that are broken by hand: repaired, or told of; nothing loops."""

from __future__ import annotations

import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from netemu_command import Netemu, new_name, until

from netemu.core import names
from netemu.host import clusters, netns
from netemu.host.clusters import ClusterFolders
from netemu.host.pod_network import port_of
from netemu.host.processes import ProcessId
from netemu.host.zygote.records import Records

pytestmark = pytest.mark.root

MANIFESTS = Path(__file__).resolve().parents[2] / "scenarios" / "manifests"
REPAIRED_WITHIN_S = 25.0
"""The kubelet looks every ten seconds, whoever looks after the nodes every five."""


@pytest.fixture(scope="module")
def netemu(tmp_path_factory: pytest.TempPathFactory) -> Netemu:
    return Netemu(tmp_path_factory.mktemp("damage"))


@pytest.fixture(scope="module")
def name(netemu: Netemu) -> Iterator[str]:
    """One cluster with web, its Service and clients, for all damage."""
    with netemu.cluster(new_name("dmg")) as name:
        netemu("apply", "-f", str(MANIFESTS / "web.yaml"), "--cluster", name)
        netemu.kubectl(name, "rollout", "status", "deployment/web", "--timeout=20s")
        netemu.kubectl(name, "wait", "--for=condition=Ready", "pod", "--all", "--timeout=20s")
        yield name


def test_what_is_deleted_is_made_again_and_what_is_set_down_stays_down(netemu: Netemu, name: str):
    """Bridge, tunnel, cables, routes, names: all at once; Events say what was done."""
    before = _pods(netemu, name)
    one, two, plane = (
        f"netemu-{name}-{node}" for node in ("worker-1", "worker-2", "control-plane")
    )
    client, neighbour, other = (
        _netns_of(before, name, pod) for pod in ("client", "same-node", "other-node")
    )
    spare = next(pod for pod in before if before[pod][2] == "worker-2" and pod != "other-node")
    cable = port_of(before[spare][0])
    for place, command in (
        (one, "link del cni0"),
        (one, "link set flannel.1 down"),
        (two, "link del flannel.1"),
        (two, "route del default"),
        (two, "route del 10.244.2.0/24"),
        (two, f"link del {port_of(before['other-node'][0])}"),
        (two, f"link set {cable} down"),
        (plane, "link del eth0"),
        (plane, "link set cni0 down"),
        (client, "route del default"),
        (neighbour, "link del eth0"),
    ):
        _ip(place, *command.split())
    subprocess.run(["ip", "netns", "del", other], check=True)
    subprocess.run(["ip", "netns", "del", two], check=True)

    wanted = {
        "link del cni0": ("NodeRepaired", "worker-1", "ip link add cni0"),
        "flannel.1 set down": ("LinkDown", "worker-1", "flannel.1 was set down; it stays so"),
        "link del flannel.1": ("NodeRepaired", "worker-2", "ip link add flannel.1"),
        "a node's default route": ("NodeRepaired", "worker-2", "ip route replace default"),
        "the route to its pods": ("NodeRepaired", "worker-2", "ip route add 10.244.2.0/24"),
        "a node's eth0": ("NodeRepaired", "control-plane", "ip link add port"),
        "a pod's default route": ("PodNetworkRepaired", "client", "default route"),
        "a pod's eth0": ("PodNetworkRepaired", "same-node", "its cable veth"),
        "a pod's name": ("PodNetworkRepaired", "other-node", "`ip netns` shows"),
        "a cable set down": ("LinkDown", spare, f"{cable}, the node's end of its cable"),
        "cni0 set down": ("LinkDown", "control-plane", "cni0 was set down; it stays so"),
        "a node's name": ("NodeRepaired", "worker-2", f"`ip netns` shows {two}"),
    }
    for what, (reason, about, text) in wanted.items():
        until(
            lambda r=reason, a=about, t=text: _told(netemu, name, r, a, t),
            what=f"an Event about {what}",
            within_s=REPAIRED_WITHIN_S,
        )
    assert "DOWN" in _ip(one, "link", "show", "flannel.1")
    until(lambda: _not_ready(netemu, name) == 1, what="a node whose pods nobody reaches")
    for place, link in ((one, "flannel.1"), (two, cable), (plane, "cni0")):
        _ip(place, "link", "set", link, "up")
    for pod in ("client", "same-node", "other-node"):
        until(lambda pod=pod: _reaches(netemu, name, pod), what=f"web, seen from {pod}")
    assert _pods(netemu, name) == before
    until(lambda: _not_ready(netemu, name) == 0, what="all nodes", within_s=REPAIRED_WITHIN_S)


def test_holders_and_the_zygote_are_killed_and_nothing_else_notices(netemu: Netemu, name: str):
    """Containers live on; another zygote and other holders are there at the next look."""
    before = _pods(netemu, name)
    records = Records(str(ClusterFolders(name).run))
    holders = {record.spec.name: record.state.pid for record in records.sandboxes()}
    _kill(holders["worker-1"])
    _kill(holders["underlay"])
    _kill(int(_zygote(name).split()[0]))
    for place in ("worker-1", "underlay"):
        until(
            lambda place=place: _holder(name, place) not in (None, holders[place]),
            what=f"another holder of {place}",
            within_s=REPAIRED_WITHIN_S,
        )
    assert _told(netemu, name, "NodeRepaired", "worker-1", "its holder was killed")
    manifest = """
apiVersion: v1
kind: Pod
metadata: {name: on-host}
spec:
  hostNetwork: true
  nodeName: worker-1
  terminationGracePeriodSeconds: 1
  containers: [{name: main, image: busybox, command: [sleep, "1000"]}]
---
apiVersion: v1
kind: Pod
metadata: {name: unheld}
spec:
  nodeName: worker-2
  terminationGracePeriodSeconds: 1
  containers: [{name: main, image: busybox, command: [sleep, "1000"]}]
"""
    netemu("apply", "-f", "-", "--cluster", name, stdin=manifest)
    made = ("pod/on-host", "pod/unheld")
    netemu.kubectl(name, "wait", "--for=condition=Ready", *made, "--timeout=20s")
    alone = _identities(_pods(netemu, name))["unheld"]
    _kill(_holder(name, "unheld") or 0)
    until(
        lambda: _told(netemu, name, "SandboxChanged", "unheld", "killed and re-created"),
        what="another sandbox",
    )
    until(lambda: _pods(netemu, name)["unheld"][3][0][1] == 1, what="its container once more")
    assert _identities(_pods(netemu, name))["unheld"] == alone
    netemu("delete", *made, "--cluster", name)
    assert netemu("shell", "--cluster", name, "worker-1", "hostname").out == "worker-1\n"
    until(lambda: _reaches(netemu, name, "other-node"), what="web")
    assert _pods(netemu, name) == before


def test_a_lost_run_folder_starts_nodes_and_containers_again(netemu: Netemu, name: str):
    """The same Pods, with their addresses and UIDs."""
    before = _pods(netemu, name)
    shutil.rmtree(ClusterFolders(name).run)
    until(lambda: clusters.daemon_of(name), what="the daemon, begun again", within_s=15)
    until(lambda: _restarts(netemu, name) == {1}, what="containers once more", within_s=30)
    _all_ready(netemu, name)
    assert _identities(_pods(netemu, name)) == _identities(before)
    until(lambda: _reaches(netemu, name, "client"), what="web")
    assert _told(netemu, name, "NodeRepaired", "worker-2", "the run folder was lost")


def test_start_and_down_find_what_nobody_has_on_record(netemu: Netemu):
    """Run folder, zygote and daemon are lost, twice; then the folder alone, under the others."""
    name = new_name("lost")
    netemu("up", name, "--nodes", "1")
    _all_ready(netemu, name)
    before = _pods(netemu, name)
    held = _lose_everything(name)
    assert "is started" in netemu("get", "pods", "--cluster", name).err
    assert not [process for process in held if process.alive]
    until(lambda: _restarts(netemu, name) == {1}, what="containers once more")
    _all_ready(netemu, name)
    assert _identities(_pods(netemu, name)) == _identities(before)
    _is_removed(netemu, name, _lose_everything(name))

    netemu("up", name, "--nodes", "1")
    _is_removed(netemu, name, _lose_the_run_folder(name))


def _is_removed(netemu: Netemu, name: str, held: list[ProcessId]) -> None:
    assert netemu("down", name).out == f'cluster "{name}" removed\n'
    assert not [process for process in held if process.alive]
    assert name not in clusters.known()
    assert netns.published(names.netns_prefix(name)) == []


def _lose_everything(name: str) -> list[ProcessId]:
    """Kill daemon and zygote, remove the run folder; return who lives on, known to nobody."""
    left = _processes(name)
    daemon = clusters.daemon_of(name)
    assert daemon
    _kill(daemon.pid)
    _kill(int(_zygote(name).split()[0]))
    shutil.rmtree(ClusterFolders(name).run)
    assert all(process.alive for process in left)
    return left


def _lose_the_run_folder(name: str) -> list[ProcessId]:
    daemon = clusters.daemon_of(name)
    assert daemon
    left = [daemon.process, *_processes(name)]
    shutil.rmtree(ClusterFolders(name).run)
    return left


def _processes(name: str) -> list[ProcessId]:
    """Return the holders and the containers of the cluster."""
    records = Records(str(ClusterFolders(name).run))
    pids = [one.state.pid for one in (*records.sandboxes(), *records.containers())]
    return [process for pid in pids if (process := ProcessId.of(pid)) is not None]


def _not_ready(netemu: Netemu, name: str) -> int:
    return netemu("get", "nodes", "--cluster", name).out.count("NotReady")


def _kill(pid: int) -> None:
    process = ProcessId.of(pid)
    assert process
    process.signal(signal.SIGKILL)
    assert process.wait(5)


def _zygote(name: str) -> str:
    return (ClusterFolders(name).run / "zygote.pid").read_text()


def _holder(name: str, place: str) -> int | None:
    found = Records(str(ClusterFolders(name).run)).sandboxes()
    return next((r.state.pid for r in found if r.spec.name == place), None)


def _pods(netemu: Netemu, name: str) -> dict[str, tuple[Any, ...]]:
    listing = netemu("get", "pods", "-A", "-o", "json", "--cluster", name).json
    return {
        pod["metadata"]["name"]: (
            pod["metadata"]["uid"],
            pod["status"].get("podIP"),
            pod["spec"]["nodeName"],
            [(c.get("containerID"), c["restartCount"]) for c in pod["status"]["containerStatuses"]],
        )
        for pod in listing["items"]
    }


def _identities(pods: dict[str, tuple[Any, ...]]) -> dict[str, tuple[Any, ...]]:
    return {pod: facts[:3] for pod, facts in pods.items()}


def _restarts(netemu: Netemu, name: str) -> set[int]:
    return {count for *_, runs in _pods(netemu, name).values() for _, count in runs}


def _all_ready(netemu: Netemu, name: str) -> None:
    netemu.kubectl(name, "wait", "--for=condition=Ready", "pod", "--all", "-A", "--timeout=30s")


def _netns_of(pods: dict[str, tuple[Any, ...]], name: str, pod: str) -> str:
    return f"netemu-{name}-{pods[pod][2]}-default-{pod}"


def _told(netemu: Netemu, name: str, reason: str, about: str, text: str) -> bool:
    events = netemu("get", "events", "-A", "-o", "json", "--cluster", name).json["items"]
    return any(
        event["reason"] == reason
        and event["involvedObject"]["name"] == about
        and text in event["message"]
        for event in events
    )


def _reaches(netemu: Netemu, name: str, pod: str) -> bool:
    argv = ("exec", "--cluster", name, f"pod/{pod}", "--", "curl", "-sm2", "http://web/hostname")
    return netemu(*argv, code=None).out.startswith("web-")


def _in_netns(place: str, *argv: str) -> str:
    done = subprocess.run(
        ["ip", "netns", "exec", place, *argv], capture_output=True, text=True, check=True
    )
    return done.stdout


def _ip(place: str, *words: str) -> str:
    return _in_netns(place, "ip", *words)
