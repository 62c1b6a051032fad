"""Real Pods: an API server in this process, a zygote, one node, one kubelet."""

from __future__ import annotations

import os
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import msgspec
import pytest
import yaml
from kubelet_node import NODE, PRELOAD, RUN, SETTINGS, STATE, Cluster, kill_zygote

from netemu.client.contract import PatchType
from netemu.errors import ApiError
from netemu.host import mounts
from netemu.host.runtime import start_zygote
from netemu.model.codec import from_dict
from netemu.model.coordination_v1 import Lease
from netemu.model.core_v1 import (
    ConfigMap,
    ContainerState,
    EphemeralContainer,
    Node,
    Pod,
    PodStatus,
    Secret,
    Service,
)
from netemu.model.runtime import SandboxKind
from netemu.model.schema import copy_of

pytestmark = pytest.mark.root


async def test_a_pod_from_creation_to_deletion(cluster: Cluster) -> None:
    """Running and Ready with its address, files, environment, logs and exec; then gone."""
    await cluster.client.create(
        from_dict(
            yaml.safe_load("""
apiVersion: v1
kind: Service
metadata: {name: redis-primary, namespace: default}
spec: {clusterIP: 10.96.0.11, ports: [{name: db, port: 6379, protocol: TCP}]}
"""),
            Service,
        )
    )
    await cluster.apply("""
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: default, labels: {app: web}}
spec:
  terminationGracePeriodSeconds: 3
  hostname: front
  subdomain: sub
  containers:
  - name: c
    image: busybox
    command: [sh, -c, 'trap "exit 0" TERM; echo hello $(GREETING); while :; do sleep 0.05; done']
    env:
    - {name: GREETING, value: "$(REDIS_PRIMARY_SERVICE_HOST)"}
    - {name: ME, valueFrom: {fieldRef: {fieldPath: status.podIP}}}
    volumeMounts: [{name: scratch, mountPath: /scratch}]
  volumes: [{name: scratch, emptyDir: {}}]
""")
    pod = await cluster.ready("web")
    assert pod.status.phase == "Running"
    assert IPv4Address(pod.status.pod_ip) in IPv4Network("10.244.1.0/24")
    assert pod.status.host_ip == str(NODE.address)
    assert pod.status.container_statuses[0].image_id == "netemu://host-tools"
    hosts = await cluster.exec("web", "cat", "/etc/hosts")
    assert hosts.endswith(f"{pod.status.pod_ip}\tfront.sub.default.svc.cluster.local\tfront\n")
    assert "nameserver 10.96.0.10" in await cluster.exec("web", "cat", "/etc/resolv.conf")
    assert await cluster.exec("web", "hostname") == "front\n"
    env = await cluster.exec("web", "sh", "-c", "tr '\\0' '\\n' < /proc/1/environ")
    assert f"ME={pod.status.pod_ip}\n" in env
    assert "REDIS_PRIMARY_PORT_6379_TCP_ADDR=10.96.0.11\n" in env
    token = "/var/run/secrets/kubernetes.io/serviceaccount"
    assert await cluster.exec("web", "cat", f"{token}/namespace") == "default"
    assert (await cluster.exec("web", "cat", f"{token}/token")).count(".") == 2
    await cluster.exec("web", "touch", "/scratch/x")
    missing = await cluster.kubelet.open_exec(pod, "c", ["nosuch"], stdin=False, tty=False)
    assert [b"not found" in data async for _, data in missing.output()] == [True]
    assert await missing.wait() == 127
    await cluster.until(lambda: _holds(cluster.log("web"), "hello 10.96.0.11\n"))
    reasons = [reason for reason, _ in await cluster.events("web")]
    assert reasons == ["Pulled", "Created", "Started"]
    await cluster.client.delete(Pod, "web", "default")
    await cluster.gone("web")
    assert [s.kind for s in await cluster.runtime.sandboxes()] == [SandboxKind.NODE]


async def _holds(read, expected: str) -> bool:
    return await read == expected


async def test_a_stand_in_serves_and_is_probed(cluster: Cluster) -> None:
    """Any image becomes a server; its readiness probe comes from the node's bridge."""
    await cluster.apply("""
apiVersion: v1
kind: Pod
metadata: {name: nginx, namespace: default}
spec:
  containers:
  - name: c
    image: nginx:1.25
    ports: [{containerPort: 80}]
    readinessProbe: {httpGet: {path: /healthz, port: 80}}
""")
    pod = await cluster.ready("nginx")
    assert pod.status.container_statuses[0].image_id == "netemu://stand-in/nginx:1.25"
    log = await cluster.log("nginx")
    assert "10.244.1.1:" in log
    assert "GET /healthz 200" in log
    assert any("stand-in" in text for reason, text in await cluster.events("nginx"))


async def test_a_failed_liveness_probe_restarts_the_container(cluster: Cluster) -> None:
    """Unhealthy, Killing, a restart; the log of the run before is still there."""
    await cluster.apply("""
apiVersion: v1
kind: Pod
metadata: {name: sick, namespace: default}
spec:
  terminationGracePeriodSeconds: 0
  containers:
  - name: c
    image: busybox
    command: [sh, -c, 'echo run; exec sleep 1000']
    livenessProbe: {exec: {command: ["false"]}, periodSeconds: 1, failureThreshold: 1}
""")
    pod = await cluster.waits_for(
        "sick",
        lambda pod: (
            pod.status.container_statuses and pod.status.container_statuses[0].restart_count
        ),
    )
    assert pod.status.container_statuses[0].last_state.terminated.exit_code == 137
    events = await cluster.events("sick")
    assert ("Killing", "Container c failed liveness probe, will be restarted") in events
    assert "Unhealthy" in [reason for reason, _ in events]
    assert await cluster.log("sick", previous=True) == "run\n"


async def test_init_containers_and_a_pod_that_ends(cluster: Cluster) -> None:
    """Init containers hand files over by a volume; a Pod that is done has Succeeded."""
    await cluster.apply("""
apiVersion: v1
kind: Pod
metadata: {name: job, namespace: default}
spec:
  restartPolicy: Never
  initContainers:
  - {name: i, image: busybox, command: [sh, -c, 'echo 42 > /v/x'], volumeMounts: [{name: v, mountPath: /v}]}
  containers:
  - {name: c, image: busybox, command: [cat, /v/x], volumeMounts: [{name: v, mountPath: /v}]}
  volumes: [{name: v, emptyDir: {medium: Memory}}]
""")
    pod = await cluster.waits_for("job", lambda pod: pod.status.phase == "Succeeded")
    assert pod.status.init_container_statuses[0].state.terminated.exit_code == 0
    assert await cluster.log("job") == "42\n"


async def test_configuration_errors_wait_for_their_source(cluster: Cluster) -> None:
    """A missing ConfigMap is said in the status and in events; its coming starts the Pod."""
    await cluster.apply("""
apiVersion: v1
kind: Pod
metadata: {name: late, namespace: default}
spec:
  containers:
  - name: c
    image: busybox
    command: [sleep, "1000"]
    envFrom: [{configMapRef: {name: settings}}]
    volumeMounts: [{name: v, mountPath: /v}]
  volumes: [{name: v, configMap: {name: settings, optional: true}}]
""")
    pod = await cluster.waits_for(
        "late",
        lambda pod: (
            pod.status.container_statuses
            and pod.status.container_statuses[0].state.waiting.reason
            == "CreateContainerConfigError"
        ),
    )
    waiting = pod.status.container_statuses[0].state.waiting
    assert waiting.message == 'configmap "settings" not found'
    settings = from_dict(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "settings", "namespace": "default"},
            "data": {"COLOUR": "blue"},
        },
        ConfigMap,
    )
    await cluster.client.create(settings)
    await cluster.ready("late")
    await cluster.until(lambda: _holds(cluster.exec("late", "cat", "/v/COLOUR"), "blue"))
    await cluster.client.patch(ConfigMap, "settings", "default", {"data": {"COLOUR": "red"}})
    await cluster.until(lambda: _holds(cluster.exec("late", "cat", "/v/COLOUR"), "red"))


async def test_a_crash_loop_backs_off(cluster: Cluster) -> None:
    """One immediate restart, then CrashLoopBackOff with the kubelet's words."""
    await cluster.apply("""
apiVersion: v1
kind: Pod
metadata: {name: crash, namespace: default}
spec:
  containers: [{name: c, image: busybox, command: [sh, -c, 'echo bye; exit 3']}]
""")
    pod = await cluster.waits_for(
        "crash",
        lambda pod: (
            pod.status.container_statuses
            and pod.status.container_statuses[0].state.waiting
            and pod.status.container_statuses[0].state.waiting.reason == "CrashLoopBackOff"
        ),
    )
    status = pod.status.container_statuses[0]
    assert (status.restart_count, status.last_state.terminated.exit_code) == (1, 3)
    assert status.state.waiting.message.startswith("back-off 10s restarting failed container=c")
    assert "BackOff" in [reason for reason, _ in await cluster.events("crash")]


async def test_a_new_kubelet_adopts_what_runs(cluster: Cluster) -> None:
    """Pods go on under a new kubelet; of those deleted meanwhile nothing is left."""
    for name in ("stays", "goes", "vanishes"):
        await cluster.apply(f"""
apiVersion: v1
kind: Pod
metadata: {{name: {name}, namespace: default}}
spec: {{terminationGracePeriodSeconds: 0, containers: [{{name: c, image: pause}}]}}
""")
        await cluster.ready(name)
    before = await cluster.pod("stays")
    gone = [(await cluster.pod(name)).metadata.uid for name in ("goes", "vanishes")]
    await cluster.stop_kubelet()
    for name in ("goes", "vanishes"):
        await cluster.client.delete(Pod, name, "default", grace_period_s=0)
    await cluster.runtime.remove_sandbox(gone[1])
    await cluster.start_kubelet()

    async def only_one_is_left() -> bool:
        sandboxes = await cluster.runtime.sandboxes()
        pods = [sandbox.name for sandbox in sandboxes if sandbox.kind is SandboxKind.POD]
        # Folders go after the sandboxes that use them, a Pod's logs last.
        folders = [*os.listdir(RUN / "pods"), *os.listdir(STATE / "log/pods")]
        return pods == ["stays"] and len(folders) == 2

    await cluster.until(only_one_is_left)
    after = await cluster.pod("stays")
    mine = before.metadata.uid
    assert os.listdir(RUN / "pods") == [mine]
    assert os.listdir(STATE / "log/pods") == [f"default_stays_{mine}"]
    assert [lease.sandbox_id for lease in cluster.network.leases()] == [mine]
    assert after.status.pod_ip == before.status.pod_ip
    assert after.status.container_statuses == before.status.container_statuses
    assert after.metadata.uid == before.metadata.uid
    await cluster.runtime.signal_container(
        after.status.container_statuses[0].container_id.removeprefix("netemu://"), 9
    )
    await cluster.waits_for(
        "stays",
        lambda pod: (
            pod.status.container_statuses[0].restart_count == 1
            and pod.status.container_statuses[0].ready
        ),
    )


async def test_what_a_pod_writes_fills_nobody_else_s_memory(cluster: Cluster) -> None:
    """A directory in memory has its own bounds and outlives runtime and kubelet; the rest is disk."""
    await cluster.apply("""
apiVersion: v1
kind: Pod
metadata: {name: mem, namespace: default}
spec:
  terminationGracePeriodSeconds: 0
  securityContext: {fsGroup: 2000}
  containers:
  - name: c
    image: pause
    resources: {limits: {memory: 64Mi}}
    volumeMounts:
    - {name: small, mountPath: /small}
    - {name: whole, mountPath: /whole, subPath: a/b}
    - {name: disk, mountPath: /disk}
  volumes:
  - {name: small, emptyDir: {medium: Memory, sizeLimit: 1Mi}}
  - {name: whole, emptyDir: {medium: Memory, sizeLimit: 1Gi}}
  - {name: disk, emptyDir: {}}
""")
    await cluster.ready("mem")
    told = await cluster.exec(
        "mem",
        *("sh", "-c"),
        "stat -f -c %T /small /whole; df -k --output=size /small /whole; stat -c %a:%g /small;"
        "head -c 2M /dev/zero >/small/x || stat -c %s /small/x; rm /small/x; echo kept >/small/y;"
        "for file in /dev/termination-log /etc/hosts /etc/resolv.conf /etc/hostname /disk/x;"
        " do head -c 1M /dev/zero >>$file; done",
    )
    lines = [line.strip() for line in told.splitlines() if "No space" not in line]
    assert lines == ["tmpfs", "tmpfs", "1K-blocks", "1024", "65536", "2777:2000", "1048576"]
    held = [path.stat().st_size for path in Path(RUN, "pods").rglob("*") if path.is_file()]
    assert sum(held) < 64 << 10
    assert len(mounts.points_below(str(RUN))) == 2

    await cluster.stop_kubelet()
    await kill_zygote(cluster.runtime)
    await start_zygote(RUN, STATE, SETTINGS.name, PRELOAD)
    await cluster.start_kubelet()
    pod = await cluster.ready("mem")
    run = pod.status.container_statuses[0].container_id.removeprefix("netemu://")
    await cluster.runtime.signal_container(run, 9)
    await cluster.waits_for(
        "mem",
        lambda pod: (
            pod.status.container_statuses[0].restart_count == 1
            and pod.status.container_statuses[0].ready
        ),
    )
    assert await cluster.exec("mem", "cat", "/small/y") == "kept\n"

    await cluster.client.delete(Pod, "mem", "default", grace_period_s=0)
    await cluster.until(lambda: not os.listdir(RUN / "pods"))
    assert mounts.points_below(str(RUN)) == []
    await cluster.until(lambda: not os.listdir(STATE / "pods"))


@pytest.mark.parametrize("host_network", ["false", "true"])
async def test_a_pod_of_which_no_status_was_written_is_adopted(
    cluster: Cluster, host_network: str
) -> None:
    """A kubelet that died between a container's start and its first status is made up for."""
    await cluster.apply(f"""
apiVersion: v1
kind: Pod
metadata: {{name: early, namespace: default}}
spec: {{hostNetwork: {host_network}, containers: [{{name: c, image: pause}}]}}
""")
    before = await cluster.ready("early")
    await cluster.stop_kubelet()
    unwritten = msgspec.structs.replace(before, status=PodStatus(phase="Pending"))
    await cluster.client.update(unwritten, subresource="status")
    await cluster.start_kubelet()
    after = await cluster.ready("early")
    assert after.status.pod_ip == before.status.pod_ip
    assert after.status.container_statuses[0].container_id == (
        before.status.container_statuses[0].container_id
    )


async def test_the_node_and_its_lease(cluster: Cluster) -> None:
    """The Node says what it is, and the Lease that its kubelet lives."""
    node = await cluster.client.get(Node, NODE.name)
    assert node.status.addresses[0].address == str(NODE.address)
    assert node.status.node_info.kubelet_version.startswith("v1.")
    lease = await cluster.client.get(Lease, NODE.name, "kube-node-lease")
    assert lease.spec.holder_identity == NODE.name


async def test_a_node_believed_dead_says_that_it_lives(cluster: Cluster) -> None:
    """At once, and not with the next of its ten-second reports."""
    unknown = {"conditions": [{"type": "Ready", "status": "Unknown"}]}
    await cluster.client.patch(
        Node, NODE.name, "", {"status": unknown}, how=PatchType.STRATEGIC, subresource="status"
    )
    await cluster.until(cluster._node_is_ready, within_s=2)


async def test_pre_stop_runs_before_the_signal(cluster: Cluster, tmp_path: Path) -> None:
    """The hook is over when SIGTERM comes; what it wrote is in the volume of the host."""
    pod = """
apiVersion: v1
kind: Pod
metadata: {name: polite, namespace: default}
spec:
  containers:
  - name: c
    image: busybox
    command: [sh, -c, 'trap "cat /v/note; exit 0" TERM; while :; do sleep 0.02; done']
    volumeMounts: [{name: v, mountPath: /v}]
    lifecycle: {preStop: {exec: {command: [sh, -c, "echo farewell > /v/note"]}}}
  volumes: [{name: v, hostPath: {path: FOLDER/made, type: DirectoryOrCreate}}]
"""
    await cluster.apply(pod.replace("FOLDER", str(tmp_path)))
    pod = await cluster.ready("polite")
    read = cluster.kubelet.read_log(pod, "c", follow=True)
    await cluster.client.delete(Pod, "polite", "default")
    assert b"".join([data async for data in read]) == b"farewell\n"
    await cluster.gone("polite")


async def test_host_network_pods_share_the_nodes_address(cluster: Cluster) -> None:
    """A hostNetwork Pod has the node's address, hostname and network."""
    await cluster.apply("""
apiVersion: v1
kind: Pod
metadata: {name: host, namespace: default}
spec:
  hostNetwork: true
  containers: [{name: c, image: agnhost, args: [netexec, --http-port=8080, --udp-port=-1]}]
""")
    pod = await cluster.ready("host")
    assert pod.status.pod_ip == str(NODE.address)
    assert "cni0" in await cluster.exec("host", "cat", "/proc/net/dev")
    assert await cluster.exec("host", "hostname") == f"{NODE.name}\n"


async def test_a_lost_sandbox_is_made_anew(cluster: Cluster) -> None:
    """When the sandbox is gone the Pod starts again in a new one."""
    await cluster.apply("""
apiVersion: v1
kind: Pod
metadata: {name: phoenix, namespace: default}
spec: {containers: [{name: c, image: pause}]}
""")
    pod = await cluster.ready("phoenix")
    await cluster.stop_kubelet()
    await cluster.runtime.remove_sandbox(pod.metadata.uid)
    await cluster.start_kubelet()
    again = await cluster.waits_for(
        "phoenix", lambda pod: pod.status.container_statuses[0].restart_count == 1
    )
    assert again.metadata.uid == pod.metadata.uid
    await cluster.ready("phoenix")


async def test_a_port_that_cannot_be_served_is_an_event(cluster: Cluster) -> None:
    """A stand-in that cannot listen says so, and the others of its ports are served."""
    await cluster.apply("""
apiVersion: v1
kind: Pod
metadata: {name: odd, namespace: default}
spec:
  containers:
  - name: c
    image: telecom
    ports: [{containerPort: 132, protocol: SCTP}, {containerPort: 80}]
    readinessProbe: {tcpSocket: {port: 80}}
""")
    await cluster.ready("odd")

    async def told() -> bool:
        return "PortNotServed" in [reason for reason, _ in await cluster.events("odd")]

    await cluster.until(told)


async def test_secrets_reach_files_with_their_modes(cluster: Cluster) -> None:
    """A Secret's file has the mode asked for and belongs to the group of the Pod."""
    await cluster.client.create(
        from_dict(
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {"name": "keys", "namespace": "default"},
                "data": {"k": "djE="},
            },
            Secret,
        )
    )
    await cluster.apply("""
apiVersion: v1
kind: Pod
metadata: {name: keeper, namespace: default}
spec:
  securityContext: {runAsUser: 1000, runAsGroup: 1000, fsGroup: 2000}
  containers:
  - {name: c, image: busybox, command: [sleep, "1000"], volumeMounts: [{name: v, mountPath: /v}]}
  volumes: [{name: v, secret: {secretName: keys, defaultMode: 256}}]
""")
    await cluster.ready("keeper")
    assert await cluster.exec("keeper", "stat", "-L", "-c", "%a %g", "/v/k") == "440 2000\n"
    assert await cluster.exec("keeper", "cat", "/v/k") == "v1"
    assert await cluster.exec("keeper", "id", "-u") == "1000\n"


async def test_attaching_joins_a_container(cluster: Cluster) -> None:
    """A young one is heard from its first word on; what is typed gets there if it listens."""
    await cluster.apply("""
apiVersion: v1
kind: Pod
metadata: {name: talker, namespace: default}
spec:
  restartPolicy: Never
  containers:
  - {name: c, image: busybox, stdin: true, command: [sh, -c, "echo hello; read x; echo $x; exit 3"]}
  - {name: deaf, image: busybox, command: [sleep, "60"]}
""")
    pod = await cluster.ready("talker")
    session = await cluster.kubelet.open_attach(pod, "c", stdin=True)
    await session.write_stdin(b"typed\n")
    said = b"".join([text async for stream, text in session.output() if stream == 1])
    assert said == b"hello\ntyped\n"
    assert await session.wait() == 0
    deaf = await cluster.kubelet.open_attach(pod, "deaf", stdin=True)
    assert b"has no input" in (await anext(aiter(deaf.output())))[1]
    await deaf.write_stdin(b"lost")
    await deaf.kill()
    with pytest.raises(ApiError, match="is not running"):
        await cluster.kubelet.open_attach(pod, "c")


async def test_a_container_added_to_look_inside(cluster: Cluster) -> None:
    """It sees the target's processes, ends once, and the next kubelet still knows it."""
    await cluster.apply("""
apiVersion: v1
kind: Pod
metadata: {name: looked-at, namespace: default}
spec:
  containers:
  - {name: web, image: busybox, command: [sleep, "60"]}
""")
    pod = copy_of(await cluster.ready("looked-at"))
    command = ["sh", "-c", "cat /proc/1/cmdline; read x; echo $x; exit 3"]
    look = EphemeralContainer(name="look", image="busybox", command=command, stdin=True)
    look.target_container_name = "web"
    pod.spec.ephemeral_containers = [look]
    pod = await cluster.client.update(pod, subresource="ephemeralcontainers")

    def state(found: Pod) -> ContainerState:
        statuses = found.status.ephemeral_container_statuses
        return statuses[0].state if statuses else ContainerState()

    pod = await cluster.waits_for("looked-at", lambda found: state(found).running)
    session = await cluster.kubelet.open_attach(pod, "look", stdin=True)
    await session.write_stdin(b"typed\n")
    said = b"".join([text async for _, text in session.output()])
    assert said == b"sleep\x0060\x00typed\n"
    pod = await cluster.waits_for("looked-at", lambda found: state(found).terminated)
    ended = state(pod).terminated
    assert ended is not None
    assert ended.exit_code == 3
    await cluster.stop_kubelet()
    await cluster.start_kubelet()
    pod = await cluster.ready("looked-at")
    assert state(pod).terminated == ended
    assert pod.status.phase == "Running"
    changed = copy_of(pod)
    changed.spec.ephemeral_containers[0].image = "nginx"
    with pytest.raises(ApiError, match="may not be changed"):
        await cluster.client.update(changed, subresource="ephemeralcontainers")
