"""The tour with whatever kubectl is on the PATH, and with the Python client."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes
import pytest
from kubernetes import watch
from kubernetes.stream import stream
from netemu_command import ROOT, Finished, Netemu, until

from netemu.host.clusters import ClusterFolders

pytestmark = [
    pytest.mark.root,
    # Of the client's own making, at import and at the end.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]

WEB = ROOT / "scenarios" / "manifests" / "web.yaml"


class Kubectl:
    """kubectl with a cluster's kubeconfig."""

    def __init__(self, netemu: Netemu, cluster: str) -> None:
        self._netemu, self.cluster = netemu, cluster
        text = self("version", "--client", "-o", "json").out
        self.minor = int(re.sub(r"\D", "", json.loads(text)["clientVersion"]["minor"]))

    def __call__(self, *words: str, code: int = 0) -> Finished:
        return self._netemu.kubectl(self.cluster, *words, code=code)

    def json(self, *words: str) -> Any:
        return self(*words, "-o", "json").json


@pytest.fixture(scope="module")
def kubectl(netemu: Netemu, lab: str) -> Kubectl:
    return Kubectl(netemu, lab)


@pytest.fixture(scope="module")
def web(kubectl: Kubectl) -> Kubectl:
    """web.yaml, applied and rolled out."""
    kubectl("apply", "-f", str(WEB))
    kubectl("rollout", "status", "deployment/web", "--timeout=20s")
    kubectl("wait", "--for=condition=Ready", "pod/client", "--timeout=20s")
    return kubectl


UNSERVED = """
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: everywhere}
spec:
  selector: {matchLabels: {app: x}}
  template:
    metadata: {labels: {app: x}}
    spec: {containers: [{name: main, image: nginx}]}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: beside-it}
"""


def test_a_kind_that_is_not_served_is_named_and_the_rest_is_made(kubectl: Kubectl, tmp_path: Path):
    """As on a real cluster that lacks a kind of a group that it has."""
    manifest = tmp_path / "unserved.yaml"
    manifest.write_text(UNSERVED)
    said = kubectl("apply", "-f", str(manifest), code=1)
    assert 'no matches for kind "DaemonSet" in version "apps/v1"' in said.err
    assert said.out == "configmap/beside-it created\n"


def test_nodes(kubectl: Kubectl):
    """Three nodes are Ready, and the control plane says what it is."""
    lines = kubectl("get", "nodes").out.splitlines()
    assert [line.split()[:3] for line in lines[1:]] == [
        ["control-plane", "Ready", "control-plane"],
        ["worker-1", "Ready", "<none>"],
        ["worker-2", "Ready", "<none>"],
    ]
    assert "198.18." in kubectl("get", "nodes", "-o", "wide").out
    described = kubectl("describe", "node", "worker-1").out
    for part in ("Conditions:", "PodCIDR:", "Allocated resources:", "Capacity:"):
        assert part in described


def test_apply_again_changes_nothing(web: Kubectl):
    """A second apply of the same file says so for each object."""
    lines = web("apply", "-f", str(WEB)).out.splitlines()
    assert len(lines) == 5
    assert all(line.endswith(" unchanged") for line in lines), lines


def test_get_pods_wide_and_described(web: Kubectl):
    """Addresses, nodes and the story of a pod."""
    lines = web("get", "pods", "-o", "wide", "-l", "app=web").out.splitlines()
    assert len(lines) == 4
    for line in lines[1:]:
        name, ready, status, restarts, _, address, node, *_ = line.split()
        assert (name[:4], ready, status, restarts) == ("web-", "1/1", "Running", "0")
        assert (address[:7], node[:7]) == ("10.244.", "worker-")
    described = web("describe", "pod", "-l", "app=web").out
    for part in ("Scheduled", "Pulled", "Created", "Started", "Readiness:", "QoS Class:"):
        assert part in described


def test_scale_and_roll_out(web: Kubectl):
    """Up, down, a new version, its history, and back."""
    web("scale", "deployment/web", "--replicas=5")
    assert "successfully rolled out" in web("rollout", "status", "deployment/web").out
    assert len(web.json("get", "pods", "-l", "app=web")["items"]) >= 5
    web("scale", "deployment/web", "--replicas=3")
    web("rollout", "status", "deployment/web")
    web("set", "env", "deployment/web", "COLOUR=green")
    assert "successfully rolled out" in web("rollout", "status", "deployment/web").out
    assert "2" in web("rollout", "history", "deployment/web").out.split("\n")[-3]
    web("rollout", "undo", "deployment/web")
    web("rollout", "status", "deployment/web")
    template = web.json("get", "deployment", "web")["spec"]["template"]["spec"]
    assert "env" not in template["containers"][0]
    web("rollout", "restart", "deployment/web")
    web("rollout", "status", "deployment/web")
    # kubectl might choose one of those on their way out, which is gone when it asks again.
    names = ("get", "pods", "-l", "app=web", "-o", "name")
    until(lambda: len(web(*names).out.split()) == 3, what="the replaced Pods to be gone")


def test_logs(web: Kubectl):
    """What a pod's server has said, of a Deployment and by name, all and the last line."""
    assert "GET /healthz" in web("logs", "deployment/web").out
    pod = web("get", "pods", "-l", "app=web", "-o", "name").out.split()[0]
    assert web("logs", pod, "--tail=1").out.count("\n") == 1
    assert "not found" in web("logs", "nobody", code=1).err


def test_exec(web: Kubectl):
    """Output and exit code of a command, by SPDY or WebSocket as this kubectl speaks."""
    assert web("exec", "client", "--", "hostname").out == "client\n"
    assert "exit code 7" in web("exec", "client", "--", "sh", "-c", "exit 7", code=7).err
    name = web("exec", "client", "--", "sh", "-c", "curl -s http://web/hostname").out
    assert name.startswith("web-")


def test_expose_label_patch_edit_and_delete(web: Kubectl):
    """A Service made by kubectl answers; labels and patches do what they say."""
    web("expose", "deployment/web", "--name=second", "--port=81", "--target-port=8080")
    service = web.json("get", "service", "second")["spec"]
    assert (service["ports"][0]["port"], service["selector"]) == (81, {"app": "web"})
    slices = web.json("get", "endpointslices", "-l", "kubernetes.io/service-name=second")
    assert len(slices["items"]) == 1
    web("label", "service", "second", "tier=front")
    assert web("get", "services", "-l", "tier=front", "-o", "name").out == "service/second\n"
    web("annotate", "service", "second", "note=here")
    web("patch", "service", "second", "-p", '{"spec": {"sessionAffinity": "ClientIP"}}')
    assert web.json("get", "service", "second")["spec"]["sessionAffinity"] == "ClientIP"
    assert web("delete", "service", "second").out.startswith('service "second" deleted')
    assert "NotFound" in web("get", "service", "second", code=1).err


def test_create_makes_what_it_generates(kubectl: Kubectl):
    """The kinds that `kubectl create` sends, in whatever encoding this version sends them."""
    made = [
        ("namespace", "made"),
        ("configmap", "made", "--from-literal=a=b"),
        ("secret", "generic", "made", "--from-literal=a=b"),
        ("deployment", "made", "--image=nginx"),
        ("serviceaccount", "made"),
        ("service", "clusterip", "made", "--tcp=80:80"),
    ]
    try:
        for words in made:
            kubectl("create", *words)
        kubectl("run", "made", "--image=nginx", "--port=80", "--restart=Never")
        kubectl("wait", "--for=condition=Ready", "pod/made", "--timeout=20s")
    finally:
        for words in made:
            kubectl("delete", words[0], "made", "--ignore-not-found", "--wait=false")
        kubectl("delete", "pod", "made", "--ignore-not-found", "--now")


def test_watch_shows_what_happens(web: Kubectl, netemu: Netemu):
    """`get -w` prints a line for each change until it is stopped."""
    config = ClusterFolders(web.cluster).kubeconfig
    argv = ["kubectl", f"--kubeconfig={config}", "get", "configmap", "seen", "-w", "-o", "name"]
    web("create", "configmap", "seen")
    watching = subprocess.Popen(
        argv, stdout=subprocess.PIPE, text=True, env=netemu.environment | {"HOME": "/nonexistent"}
    )
    assert watching.stdout
    try:
        assert watching.stdout.readline() == "configmap/seen\n"
        web("label", "configmap", "seen", "a=b")
        assert watching.stdout.readline() == "configmap/seen\n"
    finally:
        watching.kill()
        watching.wait()
        watching.stdout.close()
        web("delete", "configmap", "seen")


def test_mistakes_are_told_in_kubernetes_words(kubectl: Kubectl, tmp_path):
    """Unknown fields, bad names and missing objects read as everywhere."""
    file = tmp_path / "x.yaml"
    file.write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: A_b}\n")
    assert "Invalid value" in kubectl("apply", "-f", str(file), code=1).err
    file.write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndatum: {}\n")
    assert "datum" in kubectl("apply", "-f", str(file), code=1).err
    assert "the server doesn't have a resource type" in kubectl("get", "podz", code=1).err


# --- the Python client -------------------------------------------------------------------


@pytest.fixture
def core(web: Kubectl) -> Iterator[Any]:
    configuration = kubernetes.client.Configuration()
    kubernetes.config.load_kube_config(
        str(ClusterFolders(web.cluster).kubeconfig), client_configuration=configuration
    )
    with kubernetes.client.ApiClient(configuration) as api:
        yield kubernetes.client.CoreV1Api(api)


def test_python_client_lists_and_watches(core: Any):
    """Objects arrive typed; a watch yields what happens."""
    nodes = core.list_node().items
    assert [node.metadata.name for node in nodes] == ["control-plane", "worker-1", "worker-2"]
    pods = core.list_namespaced_pod("default", label_selector="app=web")
    assert {pod.status.phase for pod in pods.items} == {"Running"}
    name = pods.items[0].metadata.name
    events = watch.Watch().stream(
        core.list_namespaced_pod,
        "default",
        resource_version=pods.metadata.resource_version,
        timeout_seconds=10,
    )
    core.patch_namespaced_pod(name, "default", {"metadata": {"labels": {"seen": "yes"}}})
    seen = next(e for e in events if e["object"].metadata.labels.get("seen") == "yes")
    assert (seen["type"], seen["object"].metadata.name) == ("MODIFIED", name)


def test_python_client_execs(core: Any):
    """Streams over its WebSocket: output, error, input, exit code."""
    calls = {"stderr": True, "stdout": True, "tty": False}
    call = core.connect_get_namespaced_pod_exec
    command = ["sh", "-c", "hostname; echo oops >&2"]
    said = stream(call, "client", "default", command=command, stdin=False, **calls)
    assert sorted(said.split()) == ["client", "oops"]
    session = stream(
        call,
        "client",
        "default",
        command=["sh", "-c", "read line; echo got $line; exit 4"],
        stdin=True,
        _preload_content=False,
        **calls,
    )
    session.write_stdin("a word\n")
    session.run_forever(timeout=10)
    assert session.read_stdout() == "got a word\n"
    assert session.returncode == 4


def test_python_client_reads_logs(core: Any):
    """A log is text."""
    pod = core.list_namespaced_pod("default", label_selector="app=web").items[0]
    assert "GET /healthz" in core.read_namespaced_pod_log(pod.metadata.name, "default")
