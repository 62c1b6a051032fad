"""A Pod's life on the real kernel: probes, sidecars, hooks, signals, rules, deadlines, gates.

All Pods live at the same time, so that the waiting of one is the waiting of all.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from kubelet_node import Cluster

from netemu.client.contract import PatchType
from netemu.model.core_v1 import Pod

pytestmark = pytest.mark.root

PODS = """
slow:
  containers:
  - name: c
    image: busybox
    command: [sh, -c, 'sleep 1.5; touch /tmp/up; exec sleep 1000']
    startupProbe: {exec: {command: [test, -f, /tmp/up]}, periodSeconds: 1, failureThreshold: 30}
    livenessProbe:
      {exec: {command: [test, -f, /tmp/up]}, periodSeconds: 1, failureThreshold: 1, timeoutSeconds: 10}
never-up:
  containers:
  - name: c
    image: busybox
    command: [sh, -c, 'trap "" TERM; while :; do sleep 0.1; done']
    startupProbe:
      {exec: {command: ["false"]}, periodSeconds: 1, failureThreshold: 1, terminationGracePeriodSeconds: 1}
sidecars:
  restartPolicy: Never
  initContainers:
  - name: first
    image: busybox
    restartPolicy: Always
    command: [sh, -c, 'trap "echo first >> /v/order; exit 0" TERM; sleep 0.3; touch /v/up; while :; do sleep 0.05; done']
    startupProbe: {exec: {command: [test, -f, /v/up]}, periodSeconds: 1, failureThreshold: 30}
    volumeMounts: [{name: v, mountPath: /v}]
  - name: once
    image: busybox
    command: [sh, -c, 'test -f /v/up && echo once >> /v/order']
    volumeMounts: [{name: v, mountPath: /v}]
  - name: second
    image: busybox
    restartPolicy: Always
    command: [sh, -c, 'trap "echo second >> /v/order; exit 0" TERM; while :; do sleep 0.05; done']
    volumeMounts: [{name: v, mountPath: /v}]
  containers:
  - name: c
    image: busybox
    command: [sh, -c, 'sleep 0.5; echo main >> /v/order']
    volumeMounts: [{name: v, mountPath: /v}]
  volumes: [{name: v, hostPath: {path: FOLDER, type: Directory}}]
bad-hook:
  terminationGracePeriodSeconds: 0
  containers:
  - name: c
    image: busybox
    command: [sleep, "1000"]
    lifecycle: {postStart: {exec: {command: [sh, -c, "echo no; exit 3"]}}}
hooked:
  terminationGracePeriodSeconds: 20
  containers:
  - name: c
    image: agnhost
    args: [netexec, --http-port=80]
    ports: [{name: web, containerPort: 80}]
    lifecycle:
      postStart: {httpGet: {path: /hostname, port: web}}
      preStop: {sleep: {seconds: 1}}
  - name: d
    image: busybox
    command: [sh, -c, 'trap "exit 0" TERM; while :; do sleep 0.05; done']
    lifecycle: {preStop: {exec: {command: [sh, -c, "exit 5"]}}}
interrupted:
  os: {name: linux}
  containers:
  - name: c
    image: busybox
    command: [sh, -c, 'trap "echo got INT; exit 0" INT; while :; do sleep 0.05; done']
    lifecycle: {stopSignal: SIGINT}
ruled:
  restartPolicy: Never
  containers:
  - name: c
    image: busybox
    command: [sh, -c, 'test -f /v/again && exit 7; touch /v/again; exit 42']
    restartPolicy: Never
    restartPolicyRules: [{action: Restart, exitCodes: {operator: In, values: [42]}}]
    volumeMounts: [{name: v, mountPath: /v}]
  volumes: [{name: v, emptyDir: {}}]
late:
  activeDeadlineSeconds: 1
  terminationGracePeriodSeconds: 0
  containers: [{name: c, image: busybox, command: [sleep, "1000"]}]
gated:
  readinessGates: [{conditionType: example.com/let-in}]
  containers: [{name: c, image: pause}]
full:
  containers:
  - name: c
    image: busybox
    command: [sh, -c, 'dd if=/dev/zero of=/v/x bs=1M count=2; exec sleep 1000']
    volumeMounts: [{name: v, mountPath: /v}]
  volumes: [{name: v, emptyDir: {sizeLimit: 1Mi}}]
"""


async def apply_all(cluster: Cluster, pods: str, *, labels: dict[str, str] | None = None) -> None:
    """Create Pods, given as a mapping of their names to their specs."""
    for name, spec in yaml.safe_load(pods).items():
        spec.setdefault("terminationGracePeriodSeconds", 5)
        meta = {"name": name, "namespace": "default", "labels": labels or {}}
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec}
        await cluster.apply(yaml.safe_dump(pod))


def first_of(pod: Pod):
    """Return the status of the first container, once there is one."""
    return pod.status.container_statuses[0] if pod.status.container_statuses else None


async def test_the_life_of_pods(cluster: Cluster, tmp_path: Path) -> None:
    """Each of them as Kubernetes tells it, in its status and in its events."""
    await apply_all(cluster, PODS.replace("FOLDER", str(tmp_path)))
    done = await cluster.waits_for("sidecars", lambda pod: pod.status.phase == "Succeeded")
    order = (tmp_path / "order").read_text().split()
    assert order == ["once", "main", "second", "first"]
    assert [s.state.terminated.exit_code for s in done.status.init_container_statuses] == [0] * 3

    late = await cluster.waits_for("late", lambda pod: pod.status.phase == "Failed")
    assert late.status.reason == "DeadlineExceeded"
    assert late.status.message == "Pod was active on the node longer than the specified deadline"

    ruled = await cluster.waits_for("ruled", lambda pod: pod.status.phase == "Failed")
    assert (first_of(ruled).restart_count, first_of(ruled).state.terminated.exit_code) == (1, 7)

    await cluster.waits_for("never-up", lambda pod: first_of(pod) and first_of(pod).restart_count)
    told = await cluster.events("never-up")
    assert ("Killing", "Container c failed startup probe, will be restarted") in told

    await cluster.waits_for("bad-hook", lambda pod: first_of(pod) and first_of(pod).restart_count)
    told = await cluster.events("bad-hook")
    assert "FailedPostStartHook" in [reason for reason, _ in told]
    assert ("Killing", "FailedPostStartHook") in told

    slow = await cluster.ready("slow")
    assert first_of(slow).restart_count == 0
    told = await cluster.events("slow")
    assert {text.split(":")[0] for reason, text in told if reason == "Unhealthy"} == {
        "Startup probe failed"
    }
    await _a_gate_is_opened(cluster)
    await _a_signal_and_hooks(cluster)
    await cluster.kubelet.look_around()
    full = await cluster.waits_for("full", lambda pod: pod.status.phase == "Failed")
    text = 'Usage of EmptyDir volume "v" exceeds the limit "1Mi". '
    assert (full.status.reason, full.status.message) == ("Evicted", text)
    assert ("Evicted", text) in await cluster.events("full")
    assert "TerminationByKubelet" in [c.reason for c in full.status.conditions]


async def _a_gate_is_opened(cluster: Cluster) -> None:
    def unready(pod: Pod) -> bool:
        return any(c.reason == "ReadinessGatesNotReady" for c in pod.status.conditions)

    await cluster.waits_for("gated", unready)
    opened = {"conditions": [{"type": "example.com/let-in", "status": "True"}]}
    await cluster.client.patch(
        Pod, "gated", "default", {"status": opened}, how=PatchType.STRATEGIC, subresource="status"
    )
    await cluster.ready("gated")


async def _a_signal_and_hooks(cluster: Cluster) -> None:
    pod = await cluster.ready("interrupted")
    assert first_of(pod).stop_signal == "SIGINT"
    read = cluster.kubelet.read_log(pod, "c", follow=True)
    await cluster.client.delete(Pod, "interrupted", "default")
    assert b"".join([data async for data in read]) == b"got INT\n"
    hooked = await cluster.ready("hooked")
    read = cluster.kubelet.read_log(hooked, "c", follow=True)
    await cluster.client.delete(Pod, "hooked", "default")
    assert b"/hostname" in b"".join([data async for data in read])
    await cluster.gone("hooked")
    reasons = [reason for reason, _ in await cluster.events("hooked")]
    assert "FailedPreStopHook" in reasons
    assert "FailedPostStartHook" not in reasons
