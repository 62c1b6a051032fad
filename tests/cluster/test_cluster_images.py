"""Strict images, gRPC probes and agnhost's subcommands, in one cluster that a file describes."""

from __future__ import annotations

import asyncio
import subprocess
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import yaml
from netemu_command import Netemu, new_name, until

from netemu.client.https import HttpsClient
from netemu.cluster.access import open_client
from netemu.model.core_v1 import ContainerStatus, Event, Pod

pytestmark = pytest.mark.root

CLUSTER = """
apiVersion: netemu.dev/v1alpha1
kind: Cluster
spec:
  nodes: 2
  strictImages: true
  images: {shop: {standIn: []}}
  dns: {replicas: 0}
"""

PODS = """
absent: {containers: [{name: c, image: "nginx:1.27", command: [sh, -c, "sleep 100"]}]}
never: {containers: [{name: c, image: nginx, imagePullPolicy: Never}]}
shop:
  containers:
  - name: c
    image: shop
    readinessProbe: {grpc: {port: 50051, service: cart}, periodSeconds: 1}
    startupProbe: {grpc: {port: 50051}, periodSeconds: 1}
health:
  containers:
  - name: c
    image: agnhost
    args: [grpc-health-checking, --service=web]
    readinessProbe: {grpc: {port: 5000, service: web}, periodSeconds: 1, failureThreshold: 1}
other:
  containers:
  - name: c
    image: agnhost
    args: [grpc-health-checking]
    readinessProbe: {grpc: {port: 5000, service: web}, periodSeconds: 1}
many:
  containers:
  - {name: client, image: agnhost, args: [inclusterclient, --poll-interval=1]}
  - name: snat
    image: agnhost
    args: [no-snat-test]
    env:
    - {name: POD_IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}
    - {name: NODE_IP, valueFrom: {fieldRef: {fieldPath: status.hostIP}}}
  - {name: proxy, image: agnhost, args: [no-snat-test-proxy]}
  - {name: reset, image: agnhost, args: [tcp-reset, --port=8081]}
  - {name: files, image: agnhost, args: [test-webserver, --port=8082]}
shell:
  securityContext: {runAsUser: 1000}
  containers:
  - name: c
    image: agnhost
    args: [netexec, --http-port=8083]
    securityContext: {readOnlyRootFilesystem: true}
    readinessProbe:
      exec: {command: [sh, -c, "/agnhost connect --timeout=1s 127.0.0.1:8083"]}
      periodSeconds: 1
  - name: written
    image: agnhost
    command: [sh, -c, "exec /agnhost-2 porter"]
    env: [{name: SERVE_PORT_8084, value: from a file}]
  - {name: pause, image: pause}
hungry:
  restartPolicy: Never
  containers:
  - name: c
    image: agnhost
    args: [stress, --mem-total=100Mi, --mem-alloc-size=4Mi]
    resources: {limits: {memory: 32Mi}}
mounts:
  restartPolicy: Never
  containers:
  - name: c
    image: agnhost
    args: [mounttest, --fs_type=/v, --new_file_0644=/v/x, --file_perm=/v/x]
    volumeMounts: [{name: v, mountPath: /v}]
  volumes: [{name: v, emptyDir: {medium: Memory}}]
lines:
  restartPolicy: Never
  containers:
  - {name: c, image: agnhost, args: [logs-generator, -t, "3000", -d, 100ms]}
"""


@asynccontextmanager
async def closing_client(cluster: str) -> AsyncIterator[HttpsClient]:
    client = open_client(cluster)
    try:
        yield client
    finally:
        await client.close()


class Images:
    """The cluster of these tests, as they ask it things."""

    def __init__(self, netemu: Netemu, name: str) -> None:
        self.netemu = netemu
        self.name = name

    def pod(self, name: str) -> Pod:
        async def get() -> Pod:
            async with closing_client(self.name) as client:
                return await client.get(Pod, name, "default")

        return asyncio.run(get())

    def container(self, name: str) -> ContainerStatus:
        return (self.pod(name).status.container_statuses or [ContainerStatus()])[0]

    def ready(self, name: str) -> bool:
        statuses = self.pod(name).status.container_statuses
        return bool(statuses) and all(one.ready for one in statuses)

    def waits_for(self, name: str) -> str:
        waiting = self.container(name).state.waiting
        return waiting.reason if waiting else ""

    def ended_by(self, name: str) -> str:
        terminated = self.container(name).state.terminated
        return terminated.reason if terminated else ""

    def events(self, name: str) -> set[tuple[str, str]]:
        async def get() -> Sequence[Event]:
            async with closing_client(self.name) as client:
                return (await client.list(Event, "default")).items

        about = (one for one in asyncio.run(get()) if one.involved_object.name == name)
        return {(one.reason, one.message) for one in about}

    def logs(self, *words: str) -> str:
        return self.netemu("logs", *words, "--cluster", self.name).out

    def curl(self, *words: str) -> str:
        """Ask from the node that all Pods are on."""
        path = f"netemu-{self.name}-worker-1"
        argv = ["ip", "netns", "exec", path, "curl", "-sm5", *words]
        return subprocess.run(argv, capture_output=True, text=True, check=False).stdout


@pytest.fixture(scope="module")
def images(netemu: Netemu, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Images]:
    file: Path = tmp_path_factory.mktemp("file") / "cluster.yaml"
    file.write_text(CLUSTER)
    with netemu.cluster(new_name("images"), "--config", str(file)) as name:
        pods = []
        for pod, spec in yaml.safe_load(PODS).items():
            meta = {"name": pod, "namespace": "default"}
            pods.append({"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec})
        netemu("apply", "-f", "-", "--cluster", name, stdin=yaml.safe_dump_all(pods))
        yield Images(netemu, name)


def test_an_image_that_is_unknown_is_not_pulled(images: Images) -> None:
    """ErrImagePull, then ImagePullBackOff, with the images there are; never means never."""
    until(lambda: images.waits_for("absent") == "ImagePullBackOff", what="the back-off")
    waiting = images.container("absent").state.waiting.message
    why = "netemu has no such image, and with strict images nothing stands in; there are agnhost,"
    assert waiting.startswith(f'Back-off pulling image "nginx:1.27": ErrImagePull: {why}')
    told = images.events("absent")
    assert {
        ("Pulling", 'Pulling image "nginx:1.27"'),
        ("Failed", "Error: ErrImagePull"),
        ("BackOff", 'Back-off pulling image "nginx:1.27"'),
        ("Failed", "Error: ImagePullBackOff"),
    } <= told
    assert any(text.startswith(f'Failed to pull image "nginx:1.27": {why}') for _, text in told)
    assert images.waits_for("never") == "ErrImageNeverPull"
    said = 'Container image "nginx:latest" is not present with pull policy of Never'
    assert ("ErrImageNeverPull", said) in images.events("never")


def test_grpc_probes_ask_for_a_service(images: Images) -> None:
    """A stand-in serves all, agnhost its own until it is told not to, and no other."""
    until(lambda: images.ready("shop") and images.ready("health"), what="who serves")
    assert images.container("shop").image_id == "netemu://stand-in/shop:latest"
    address = images.pod("health").status.pod_ip
    assert images.curl(f"http://{address}:8080/make-not-serving") == "Marked as not serving\n"
    until(lambda: not images.ready("health"), what="who serves no more")
    unwell = 'Readiness probe failed: service unhealthy (responded with "NOT_SERVING")'
    until(lambda: ("Unhealthy", unwell) in images.events("health"), what="its event")
    assert images.curl(f"http://{address}:8080/make-serving") == "Marked as serving\n"
    until(lambda: images.ready("health"), what="who serves again")
    unknown = "rpc error: code = NotFound desc = unknown service"
    text = f"Readiness probe failed: error: health rpc probe failed: {unknown}"
    until(lambda: ("Unhealthy", text) in images.events("other"), what="the other's event")


def test_agnhost_in_containers(images: Images) -> None:
    """Servers side by side in one Pod, and those that end by themselves."""
    until(lambda: images.ready("many"), what="the servers")
    address = images.pod("many").status.pod_ip
    query = f"target={address}:8080&ips={address}:8080"
    asked = f"http://{address}:31235/checknosnat?{query}"
    assert images.curl(asked, "-w", "%{http_code}") == "200"
    assert images.curl(f"http://{address}:8082/etc/hostname") == "many\n"
    reset = images.curl(f"http://{address}:8081/", "-w", "%{errormsg}")
    assert "reset" in reset.lower()
    until(lambda: "status=200 ok" in images.logs("many", "-c", "client"), what="the API server")
    until(lambda: images.ended_by("hungry") == "OOMKilled", what="the one that eats too much")
    until(lambda: images.ended_by("mounts") == "Completed", what="the volume's test")
    told = images.logs("mounts").splitlines()
    assert told[0] == 'mount type of "/v": tmpfs'
    assert told[-1] == 'perms of file "/v/x": -rw-r--r--'


def test_a_shell_in_agnhost_can_call_it(images: Images) -> None:
    """As a file that nobody can change; other images have none."""
    until(lambda: images.ready("shell"), what="a probe by a shell")
    address = images.pod("shell").status.pod_ip
    assert images.curl(f"http://{address}:8084/") == "from a file"

    def told(script: str, *, code: int, container: str = "c") -> str:
        words = ("exec", "shell", "-c", container, "--", "sh", "-c", script)
        done = images.netemu.kubectl(images.name, *words, code=code)
        return done.out + done.err

    assert told(f"/agnhost connect --timeout=1s {address}:8084", code=0) == ""
    assert told(f"/agnhost connect --timeout=1s {address}:1", code=1).startswith("REFUSED\n")
    assert "Read-only file system" in told("echo x > /agnhost", code=2)
    assert "HTTP/2 is only there" in told("/agnhost grpc-health-checking", code=1)
    assert told("test ! -e /agnhost", code=0, container="pause") == ""


def test_logs_are_whole(images: Images) -> None:
    """Every line, or the last ones; kubectl's other words, too."""
    until(lambda: images.ended_by("lines") == "Completed", what="all lines")
    numbers = [int(line.split()[4]) for line in images.logs("lines").splitlines()]
    assert numbers == list(range(3000))
    last = images.logs("lines", "--tail", "2").splitlines()
    assert [line.split()[4] for line in last] == ["2998", "2999"]
    kubectl = images.netemu.kubectl
    assert len(kubectl(images.name, "logs", "lines", "--limit-bytes=100").out) == 100
    stamped = kubectl(images.name, "logs", "lines", "--timestamps", "--tail=1").out
    assert stamped.startswith(time.strftime("%Y-%m-%dT", time.gmtime()))
    every = kubectl(images.name, "logs", "many", "--all-containers", "--since=1h").out
    assert "calling /healthz" in every
