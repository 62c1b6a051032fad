"""What a cluster is after a stop, a reboot of the host, a crashed or a full disk."""

from __future__ import annotations

import json
import os
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
from netemu.host.processes import ProcessId
from netemu.host.zygote.records import Records

pytestmark = pytest.mark.root

MANIFESTS = Path(__file__).resolve().parents[2] / "scenarios" / "manifests"
_ORPHANS = "netemu: "


@pytest.fixture(scope="module")
def netemu(tmp_path_factory: pytest.TempPathFactory) -> Netemu:
    return Netemu(tmp_path_factory.mktemp("reboot"))


@pytest.fixture(scope="module")
def name(netemu: Netemu) -> Iterator[str]:
    with netemu.cluster(new_name("boot")) as name:
        netemu("apply", "-f", str(MANIFESTS / "web.yaml"), "--cluster", name)
        _all_ready(netemu, name)
        yield name


def test_stopped_and_started_it_is_the_same_cluster(netemu: Netemu, name: str):
    """No process, link or name is left by `stop`; `start` brings the same Pods back."""
    before = _pods(netemu, name)
    said = netemu("stop", name).out
    assert said == f"cluster \"{name}\" stopped; 'sudo netemu start {name}' starts it again\n"
    assert netemu("stop", name).out == f'cluster "{name}" was stopped already\n'
    assert netemu("status", "-o", "json").json["state"] == "stopped"
    refusal = netemu("get", "pods", "--cluster", name, code=2).err
    assert refusal == (
        f"netemu: cluster \"{name}\" is stopped; 'sudo netemu start {name}' starts it again\n"
    )
    assert not ClusterFolders(name).run.exists()
    assert netns.published(names.netns_prefix(name)) == []
    assert names.host_link(name) not in _say("ip", "-o", "link")
    assert _ours() == []

    assert f'cluster "{name}" runs after' in netemu("start", name).out
    _is_the_same(netemu, name, before, restarts=1)


def test_after_a_reboot_of_the_host_it_is_the_same_cluster(netemu: Netemu, name: str):
    """Processes, namespaces, links and /run are gone; the next verb starts it all again."""
    before = _pods(netemu, name)
    restarts = _restarts(before)
    _reboot(name)
    assert netemu("status", "-o", "json").json["state"] == "stopped"
    assert "is started" in netemu("get", "nodes", "--cluster", name).err
    _is_the_same(netemu, name, before, restarts=restarts + 1)


def test_files_of_a_crashed_disk_do_not_stand_in_the_way(netemu: Netemu, name: str):
    """Torn records of addresses, ports, contexts and of the kubeconfig: it starts all the same."""
    before = _pods(netemu, name)
    restarts = _restarts(before)
    _reboot(name)
    state = ClusterFolders(name).state
    for torn in ("api-port", "kubeconfig", "kubectl-configs.json", "pki/ca.key"):
        (state / torn).write_bytes(b"")
    leases = list((state / "networks").glob("*/*"))
    assert leases
    for lease in leases:
        lease.write_bytes(b"")
    netemu("start", name)
    _is_the_same(netemu, name, before, restarts=restarts + 1)


def test_settings_of_a_crashed_disk_are_said_in_one_sentence(netemu: Netemu):
    """Which file, what to do; other verbs and clusters are not hindered; `down` removes it."""
    name = new_name("torn")
    folders = clusters.make_folders(name)
    folders.settings.write_bytes(b'{"name": "to')
    for verb in ("start", "up", "stop"):
        refusal = netemu(verb, name, code=2).err
        assert refusal.startswith(f"netemu: {folders.settings}: not the settings of a cluster")
        assert refusal.endswith(f"'sudo netemu down {name}' removes it\n")
    assert "not the settings of a cluster" in netemu("status", name).out
    assert netemu("down", name).out == f'cluster "{name}" removed\n'


def test_a_stopped_cluster_can_be_removed(netemu: Netemu):
    """Its folder goes, and nothing is left."""
    name = new_name("gone")
    netemu("up", name, "--nodes", "1")
    netemu("stop", name)
    assert netemu("down", name).out == f'cluster "{name}" removed\n'
    assert not ClusterFolders(name).state.exists()
    assert name not in clusters.known()


def test_a_full_disk_refuses_writes_and_loses_none(netemu: Netemu):
    """Writes are answered with a Status and not acknowledged; pods run on; space heals all."""
    name = new_name("full")
    state = ClusterFolders(name).state
    state.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(state)], check=True)
    try:
        netemu("up", name, "--nodes", "2")
        _start_writer(netemu, name)
        filler = state / "filler"
        with filler.open("wb") as file:
            _fill(file.fileno())
        acknowledged = []
        refusal = ""
        for number in range(200):
            done = netemu.kubectl(
                name,
                "create",
                "configmap",
                f"c{number}",
                f"--from-literal=a={'x' * 4000}",
                code=None,
            )
            if done.code:
                refusal = done.err
                break
            acknowledged.append(f"c{number}")
        assert "no space is left" in refusal, refusal
        # Whoever writes much is not held up by a log that cannot grow.
        written = _written(netemu, name)
        until(lambda: _written(netemu, name) > written, what="the container to go on")
        filler.unlink()
        netemu("delete", "pod/writer", "--cluster", name)
        until(
            lambda: netemu.kubectl(name, "create", "configmap", "late", code=None).code == 0,
            what="writes",
        )
        found = {
            item["metadata"]["name"]
            for item in json.loads(netemu.kubectl(name, "get", "cm", "-o", "json").out)["items"]
        }
        assert {*acknowledged, "late"} <= found
        assert netemu("get", "nodes", "--cluster", name).out.count(" Ready") == 2
        _kill_daemon(name)
        netemu("up", name)
        assert netemu.kubectl(name, "get", "cm", "late").code == 0
    finally:
        netemu("down", name)
        subprocess.run(["umount", str(state)], check=True)
        shutil.rmtree(state, ignore_errors=True)


def _start_writer(netemu: Netemu, name: str) -> None:
    manifest = """
apiVersion: v1
kind: Pod
metadata: {name: writer}
spec:
  terminationGracePeriodSeconds: 1
  containers:
    - name: main
      image: busybox
      command: [sh, -c, "i=0; while :; do i=$((i+1)); echo $i $(date) > /dev/shm/n; yes | head -c 100000; sleep 0.1; done"]
"""
    netemu("apply", "-f", "-", "--cluster", name, stdin=manifest)
    netemu.kubectl(name, "wait", "--for=condition=Ready", "pod/writer", "--timeout=20s")


def _written(netemu: Netemu, name: str) -> int:
    said = netemu("exec", "--cluster", name, "pod/writer", "--", "cat", "/dev/shm/n").out
    return int(said.split()[0]) if said else 0


def _fill(descriptor: int) -> None:
    """Write until there is no room for another byte."""
    for size in (1 << 20, 1 << 12, 1):
        try:
            while True:
                os.write(descriptor, b"\0" * size)
        except OSError:
            continue


def _reboot(name: str) -> None:
    """End all that a reboot ends: processes, namespaces, links, /run."""
    record = clusters.daemon_of(name)
    assert record
    run = ClusterFolders(name).run
    records = Records(str(run))
    zygote = int((run / "zygote.pid").read_text().split()[0])
    held = [one.state.pid for one in records.containers()]
    held += [one.state.pid for one in records.sandboxes()]
    _end([record.pid, zygote, *held])
    for published in netns.published(names.netns_prefix(name)):
        netns.withdraw(published)
    shutil.rmtree(run)
    until(lambda: names.host_link(name) not in _say("ip", "-o", "link"), what="the link to go")


def _end(pids: list[int]) -> None:
    for pid in pids:
        if (process := ProcessId.of(pid)) is not None:
            process.signal(signal.SIGKILL)
            assert process.wait(5)


def _kill_daemon(name: str) -> None:
    record = clusters.daemon_of(name)
    assert record
    _end([record.pid])


def _say(*argv: str) -> str:
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout


def _ours() -> list[str]:
    """Processes with netemu's titles: in these namespaces, they are this test's."""
    return [line for line in _say("ps", "-eo", "args").splitlines() if line.startswith(_ORPHANS)]


def _is_the_same(
    netemu: Netemu, name: str, before: dict[str, tuple[Any, ...]], *, restarts: int
) -> None:
    """Same UIDs, addresses and nodes; each container once more; Services and names answer."""
    _all_ready(netemu, name)
    after = _pods(netemu, name)
    assert {pod: facts[:3] for pod, facts in after.items()} == {
        pod: facts[:3] for pod, facts in before.items()
    }
    assert {count for *_, counts in after.values() for count in counts} == {restarts}
    address = clusters.load_settings(name).nodes[1].address
    until(lambda: _curl(f"http://{address}:30080/hostname").startswith("web-"), what="the NodePort")
    argv = ("exec", "--cluster", name, "pod/client", "--", "curl", "-sm2", "http://web/hostname")
    until(lambda: netemu(*argv, code=None).out.startswith("web-"), what="the Service by name")


def _curl(url: str) -> str:
    done = subprocess.run(["curl", "-sm2", url], capture_output=True, text=True, check=False)
    return done.stdout


def _pods(netemu: Netemu, name: str) -> dict[str, tuple[Any, ...]]:
    listing = netemu("get", "pods", "-A", "-o", "json", "--cluster", name).json
    return {
        pod["metadata"]["name"]: (
            pod["metadata"]["uid"],
            pod["status"].get("podIP"),
            pod["spec"]["nodeName"],
            [c["restartCount"] for c in pod["status"]["containerStatuses"]],
        )
        for pod in listing["items"]
    }


def _restarts(pods: dict[str, tuple[Any, ...]]) -> int:
    return max(count for *_, counts in pods.values() for count in counts)


def _all_ready(netemu: Netemu, name: str) -> None:
    netemu.kubectl(name, "rollout", "status", "deployment/web", "--timeout=30s")
    netemu.kubectl(name, "wait", "--for=condition=Ready", "pod", "--all", "-A", "--timeout=30s")
