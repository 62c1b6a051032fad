"""Nodes join, leave, die, boot and are cut off; what Kubernetes makes of it, in seconds."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from netemu_command import Netemu, new_name, until

from netemu.cluster import nodes
from netemu.errors import UserError
from netemu.host import clusters, netns

pytestmark = pytest.mark.root

CLUSTER = """
apiVersion: netemu.dev/v1alpha1
kind: Cluster
spec:
  nodes:
  - zone: east
    roles: [edge, gpu]
    taints: [{key: dedicated, value: edge, effect: NoSchedule}]
    capacity: {cpu: 500m, memory: 2Gi, pods: 7}
    podCIDR: 10.244.9.0/24
  - zone: west
    labels: {disk: ssd}
  images:
    "db*": {standIn: [8080]}
    "shop/*": {agnhost: [netexec, --http-port=9090]}
    "sleeper:1": {command: [sleep, infinity]}
    "secret": {none: true}
  nodeMonitorGracePeriod: 2s
  defaultTolerationSeconds: 60
  dns: {replicas: 1}
"""

POD = """
apiVersion: v1
kind: Pod
metadata: {{name: {name}, labels: {{app: web}}}}
spec:
  nodeName: {node}
  terminationGracePeriodSeconds: 1
  containers: [{{name: c, image: {image}, ports: [{{containerPort: 80}}]}}]
"""


class Cluster:
    """The cluster of these tests, as they ask it things."""

    def __init__(self, netemu: Netemu, name: str) -> None:
        self.netemu = netemu
        self.name = name

    def node(self, *words: str, code: int = 0) -> str:
        done = self.netemu("node", *words, "--cluster", self.name, code=code)
        return done.out if code == 0 else done.err

    def get(self, *words: str) -> Any:
        return self.netemu("get", *words, "-o", "json", "--cluster", self.name).json

    def ready(self, node: str) -> str:
        conditions = self.get("node", node)["status"]["conditions"]
        return next(c["status"] for c in conditions if c["type"] == "Ready")

    def wait_ready(self, node: str, status: str) -> None:
        until(lambda: self.ready(node) == status, what=f"{node} Ready={status}", within_s=15)

    def run(self, *pods: str) -> None:
        self.netemu("apply", "-f", "-", "--cluster", self.name, stdin="\n---\n".join(pods))

    def wait_pod(self, pod: str) -> Any:
        def ready() -> Any:
            status = self.get("pod", pod)["status"]
            conditions = status.get("conditions", ())
            return (
                status if ("Ready", "True") in {(c["type"], c["status"]) for c in conditions} else 0
            )

        return until(ready, what=f"{pod} Ready")

    def delete(self, *objects: str) -> None:
        self.netemu("delete", *objects, "--now", "--cluster", self.name)

    def on(self, place: str, *argv: str) -> tuple[int, str]:
        """Run a program in a node's network."""
        path = f"netemu-{self.name}-{place}"
        done = subprocess.run(
            ["ip", "netns", "exec", path, *argv], capture_output=True, text=True, check=False
        )
        return done.returncode, done.stdout

    def restart_daemon(self) -> None:
        record = clusters.daemon_of(self.name)
        assert record
        record.process.signal(signal.SIGKILL)
        assert record.process.wait(5.0)
        self.netemu("up", self.name)

    def endpoints(self, service: str) -> dict[str, bool]:
        """Return the addresses of a Service's endpoints, and whether each is ready."""
        found = self.get("endpointslices")["items"]
        return {
            endpoint["addresses"][0]: endpoint["conditions"]["ready"]
            for each in found
            if each["metadata"]["labels"].get("kubernetes.io/service-name") == service
            for endpoint in each["endpoints"]
        }


@pytest.fixture(scope="module")
def cluster(netemu: Netemu, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    file: Path = tmp_path_factory.mktemp("file") / "cluster.yaml"
    file.write_text(CLUSTER)
    with netemu.cluster(new_name("nodes"), "--config", str(file)) as name:
        yield Cluster(netemu, name)


def _serves(cluster: Cluster, node: str, address: str, port: int = 80) -> bool:
    code, said = cluster.on(node, "curl", "-sm1", f"http://{address}:{port}/hostname")
    return code == 0 and bool(said)


def test_a_cluster_file_shapes_nodes_and_images(cluster: Cluster) -> None:
    """Zone, roles, taints, capacity, pod range, images, default toleration: as the file says."""
    node = cluster.get("node", "worker-1")
    labels = node["metadata"]["labels"]
    assert labels["topology.kubernetes.io/zone"] == "east"
    assert {"node-role.kubernetes.io/edge", "node-role.kubernetes.io/gpu"} <= labels.keys()
    assert {"key": "dedicated", "value": "edge", "effect": "NoSchedule"} in node["spec"]["taints"]
    offered = {name: node["status"]["allocatable"][name] for name in ("cpu", "memory", "pods")}
    assert offered == {"cpu": "500m", "memory": "2Gi", "pods": "7"}
    assert node["spec"]["podCIDR"] == "10.244.9.0/24"
    images = {
        "stand-in": "db9:1",
        "ruled": "shop/api:3",
        "program": "sleeper:1",
        "absent": "secret",
    }
    cluster.run(*(POD.format(name=n, node="worker-1", image=i) for n, i in images.items()))
    port = {"stand-in": 8080, "ruled": 9090}
    for name, number in port.items():
        address = cluster.wait_pod(name)["podIP"]
        until(lambda: _serves(cluster, "worker-1", address, number), what=name)  # noqa: B023
    container = cluster.wait_pod("program")["containerStatuses"][0]
    assert container["imageID"] == "netemu://host-program/sleep"

    def waiting() -> Any:
        statuses = cluster.get("pod", "absent")["status"].get("containerStatuses", ())
        return [s["state"]["waiting"]["reason"] for s in statuses if "waiting" in s["state"]]

    until(lambda: waiting() == ["ImagePullBackOff"], what="the image that is not there")
    tolerated = cluster.get("pod", "absent")["spec"]["tolerations"]
    assert {one["tolerationSeconds"] for one in tolerated} == {60}
    cluster.delete(*(f"pod/{name}" for name in images))


def test_a_node_that_is_cut_off_goes_on_alone(cluster: Cluster) -> None:
    """Its pods serve, nobody hears of it; healed, it catches up and nothing has restarted."""
    cluster.run(*(POD.format(name=f"web-{n}", node=f"worker-{n}", image="nginx") for n in (1, 2)))
    there, here = (cluster.wait_pod(f"web-{n}") for n in (1, 2))
    cluster.netemu.kubectl(cluster.name, "expose", "pod", "web-2", "--port=80", "--name=web")
    until(lambda: len(cluster.endpoints("web")) == 2, what="both endpoints")
    cluster.node("partition", "worker-2")
    assert "NO-CARRIER" in cluster.on("worker-2", "ip", "link", "show", "eth0")[1]
    cluster.wait_ready("worker-2", "Unknown")
    until(
        lambda: cluster.endpoints("web") == {there["podIP"]: True, here["podIP"]: False},
        what="an endpoint that is not ready",
    )
    assert _serves(cluster, "worker-2", here["podIP"])
    assert not _serves(cluster, "worker-1", here["podIP"])
    cluster.netemu.kubectl(cluster.name, "expose", "pod", "web-1", "--port=80", "--name=late")
    late = cluster.get("service", "late")["spec"]["clusterIP"]
    until(lambda: late in cluster.on("worker-1", "iptables-save")[1], what="rules for it")
    assert late not in cluster.on("worker-2", "iptables-save")[1]
    refused = cluster.netemu("logs", "web-2", "--cluster", cluster.name, code=1).err
    assert "worker-2" in refused or "198.18" in refused

    cluster.restart_daemon()
    assert cluster.ready("worker-2") == "Unknown"
    assert "cut off" in cluster.netemu("status", cluster.name).out
    cluster.node("heal", "worker-2")
    cluster.wait_ready("worker-2", "True")
    until(lambda: late in cluster.on("worker-2", "iptables-save")[1], what="what it missed")
    until(lambda: all(cluster.endpoints("web").values()), what="both endpoints ready")
    now = cluster.wait_pod("web-2")
    assert now["podIP"] == here["podIP"]
    for status in (now, here):
        assert status["containerStatuses"][0]["restartCount"] == 0
    assert now["containerStatuses"] == here["containerStatuses"]
    cluster.delete("pod/web-1", "pod/web-2", "service/web", "service/late")


def test_a_heartbeat_is_a_packet(cluster: Cluster) -> None:
    """A rule on the node that drops what goes to the API server makes the node NotReady."""
    rule = ["OUTPUT", "-p", "tcp", "--dport", "6443", "-j", "DROP"]
    assert cluster.on("worker-1", "iptables", "-I", *rule)[0] == 0
    cluster.wait_ready("worker-1", "Unknown")
    assert cluster.ready("worker-2") == "True"
    assert cluster.on("worker-1", "iptables", "-D", *rule)[0] == 0
    cluster.wait_ready("worker-1", "True")


def test_a_node_without_power_is_dead_until_it_is_started(cluster: Cluster) -> None:
    """All that it held is gone at once, also for the next daemon; booted, its pods restart."""
    stays = POD.format(name="stays", node="worker-2", image="nginx")
    goes = POD.format(name="goes", node="worker-2", image="nginx") + (
        "  tolerations:\n  - {key: node.kubernetes.io/unreachable, operator: Exists,"
        " effect: NoExecute, tolerationSeconds: 0}\n"
    )
    cluster.run(stays, goes)
    before = cluster.wait_pod("stays")
    cluster.wait_pod("goes")
    prefix = f"netemu-{cluster.name}-worker-2"
    assert len(netns.published(prefix)) >= 3
    cluster.node("kill", "worker-2")
    assert netns.published(prefix) == []
    assert "worker-2" not in _titles(cluster.name)
    assert "no power" in cluster.netemu("status", cluster.name).out
    cluster.wait_ready("worker-2", "Unknown")
    cluster.restart_daemon()
    assert netns.published(prefix) == []
    assert cluster.ready("worker-2") == "Unknown"
    until(
        lambda: "deletionTimestamp" in cluster.get("pod", "goes")["metadata"],
        what="the eviction of what tolerates nothing",
    )
    cluster.node("start", "worker-2")
    assert cluster.ready("worker-2") == "True"
    until(
        lambda: "goes" not in [p["metadata"]["name"] for p in cluster.get("pods")["items"]],
        what="the end of the evicted pod",
    )

    def restarted() -> Any:
        status = cluster.get("pod", "stays")["status"]
        return status if status["containerStatuses"][0]["restartCount"] == 1 else None

    after = until(restarted, what="the restart")
    assert (after["podIP"], after["hostIP"]) == (before["podIP"], before["hostIP"])
    until(lambda: _serves(cluster, "control-plane", after["podIP"]), what="the booted node's pod")
    cluster.delete("pod/stays")


def _titles(cluster: str) -> str:
    """Return the titles of the processes below the cluster's zygote."""
    return subprocess.run(
        ["ps", "-e", "-o", "args"], capture_output=True, text=True, check=True
    ).stdout


def test_a_node_joins_and_leaves_without_a_trace(cluster: Cluster) -> None:
    """Ready when `add` returns, reachable; `remove` takes namespaces, Node, pods and files."""
    began = time.monotonic()
    added = nodes.add_node(cluster.name, zone="north", labels={"disk": "tape"})
    assert (added, cluster.ready(added)) == ("worker-3", "True")
    assert time.monotonic() - began < 5
    labels = cluster.get("node", added)["metadata"]["labels"]
    assert (labels["topology.kubernetes.io/zone"], labels["disk"]) == ("north", "tape")
    cluster.run(POD.format(name="guest", node=added, image="nginx"))
    address = cluster.wait_pod("guest")["podIP"]
    until(lambda: _serves(cluster, "worker-1", address), what="the way to the new node")
    cluster.restart_daemon()
    assert cluster.ready(added) == "True"
    nodes.remove_node(cluster.name, added)
    assert netns.published(f"netemu-{cluster.name}-{added}") == []
    assert added not in [n["metadata"]["name"] for n in cluster.get("nodes")["items"]]
    assert "guest" not in [p["metadata"]["name"] for p in cluster.get("pods")["items"]]
    settings = clusters.load_settings(cluster.name)
    assert not Path(settings.state_dir, "networks", added).exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["kill", "nix"], 'has no node "nix"; there are: control-plane, worker-1, worker-2'),
        (["kill", "control-plane"], "is the only control plane"),
        (["remove", "control-plane"], "is the only control plane"),
        (["add", "worker-1"], 'has a node "worker-1" already'),
        (["add", "Big_One"], '"Big_One" is not a DNS label of at most 40 characters'),
        (["add", "host"], '"host" cannot name a node: that is this host'),
        (["add", "--label", "disk"], "--label disk: expected KEY=VALUE"),
        (["add", "--zone", "-"], '"-" cannot be the value of topology.kubernetes.io/zone'),
        (["add", "--role", "control-plane"], "a second control plane is not supported"),
    ],
)
def test_what_cannot_be_is_said_in_one_sentence(
    cluster: Cluster, words: list[str], said: str
) -> None:
    """Exit 2, one line, and nothing has changed."""
    before = clusters.load_settings(cluster.name)
    answer = cluster.node(*words, code=2)
    assert said in answer
    assert answer.count("\n") == 1
    assert clusters.load_settings(cluster.name) == before


def test_nodes_of_a_cluster_that_is_not_there() -> None:
    """The functions say so, too."""
    with pytest.raises(UserError, match='no cluster named "nowhere"'):
        nodes.kill_node("nowhere", "worker-1")
