"""Streams between a real kubectl, or the Python client, and a Pod: cp, attach, port-forward."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from netemu_command import Netemu

from netemu.host.clusters import ClusterFolders

pytestmark = pytest.mark.root

BYTES = 8 << 20
PODS = """
apiVersion: v1
kind: Pod
metadata: {name: served}
spec: {containers: [{name: c, image: nginx, ports: [{containerPort: 80}]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: on-the-node}
spec: {hostNetwork: true, containers: [{name: c, image: nginx, ports: [{containerPort: 81}]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: box}
spec:
  containers:
  - name: c
    image: busybox
    stdin: true
    command: [sh, -c, 'while read line; do echo "got $line"; done; sleep 600']
"""


class Client:
    """kubectl, whichever is on the PATH, with the cluster's kubeconfig."""

    def __init__(self, netemu: Netemu, cluster: str) -> None:
        self._environment = netemu.environment
        self._argv = ["kubectl", f"--kubeconfig={ClusterFolders(cluster).kubeconfig}"]

    def __call__(self, *words: str, stdin: bytes = b"", code: int = 0) -> str:
        done = subprocess.run(
            [*self._argv, *words],
            input=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=30,
            env=self._environment,
            check=False,
        )
        said = done.stdout.decode(errors="replace")
        assert done.returncode == code, said
        return said

    @contextmanager
    def starts(self, *words: str) -> Iterator[subprocess.Popen[str]]:
        process = subprocess.Popen(
            [*self._argv, *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=self._environment,
        )
        with process:
            try:
                yield process
            finally:
                process.kill()

    @contextmanager
    def forwards(self, *words: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
        """Run port-forward with a local port of its choice, which is yielded too."""
        with self.starts("port-forward", *words) as process:
            assert process.stdout
            found = re.search(r"127\.0\.0\.1:(\d+)", process.stdout.readline())
            assert found
            yield process, int(found[1])


@pytest.fixture(scope="module")
def kubectl(netemu: Netemu, lab: str) -> Iterator[Client]:
    client = Client(netemu, lab)
    client("apply", "-f", "-", stdin=PODS.encode())
    pods = ("pod/served", "pod/on-the-node", "pod/box")
    client("wait", "--for=condition=Ready", *pods, "--timeout=20s")
    yield client
    client("delete", *pods, "--now", "--ignore-not-found", "--wait=false")


def get(port: int) -> str:
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(b"GET /hostname HTTP/1.0\r\nHost: x\r\n\r\n")
        parts = []
        while part := connection.recv(1 << 16):
            parts.append(part)
    return b"".join(parts).partition(b"\r\n\r\n")[2].decode().strip()


def test_files_are_copied_unchanged(kubectl: Client, tmp_path: Path):
    """There and back again, byte by byte."""
    there, back = tmp_path / "there", tmp_path / "back"
    there.write_bytes(os.urandom(BYTES))
    kubectl("cp", str(there), "box:/tmp/file")
    assert hashlib.sha256(there.read_bytes()).hexdigest() in kubectl(
        "exec", "box", "--", "sha256sum", "/tmp/file"
    )
    kubectl("cp", "box:/tmp/file", str(back))
    assert back.read_bytes() == there.read_bytes()


def test_input_larger_than_anyone_reads(kubectl: Client):
    """A program that does not read its input ends as it would, and so does kubectl."""
    said = kubectl(
        "exec", "-i", "box", "--", "sh", "-c", "echo done; exit 4", stdin=bytes(BYTES), code=4
    )
    assert "done" in said


def test_attach_joins_input_and_output(kubectl: Client):
    """What is typed reaches the container's first process; leaving does not end it."""
    for word in ("first", "second"):
        with kubectl.starts("attach", "-i", "box") as process:
            assert process.stdin
            assert process.stdout
            process.stdin.write(f"the {word}\n")
            process.stdin.flush()
            assert any(f"got the {word}" in line for line in process.stdout)
            process.stdin.close()
            assert process.wait(timeout=10) == 0


def test_ports_are_forwarded(kubectl: Client):
    """To a Pod's loopback; where nobody listens, kubectl is told; a Pod on the node's network too."""
    with kubectl.forwards("pod/served", ":80") as (_, port):
        assert [get(port) for _ in range(5)] == ["served"] * 5
    with kubectl.forwards("pod/on-the-node", ":81") as (_, port):
        assert get(port)
    with kubectl.forwards("pod/served", ":7999") as (process, port):
        with contextlib.suppress(ConnectionError):
            assert get(port) == ""
        assert process.stdout
        said = next(line for line in process.stdout if "error occurred" in line)
        assert "error forwarding port 7999 to pod served" in said
        assert "dial tcp4 127.0.0.1:7999: connect: connection refused" in said


def test_forwarding_ends_with_its_pod(kubectl: Client):
    """Connections and kubectl itself end when the Pod is deleted."""
    kubectl("run", "short", "--image=nginx", "--port=80", "--restart=Never")
    kubectl("wait", "--for=condition=Ready", "pod/short", "--timeout=20s")
    with kubectl.forwards("pod/short", ":80") as (process, port):
        with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert connection.recv(1 << 16)
            kubectl("delete", "pod", "short", "--now")
            while connection.recv(1 << 16):
                pass
        with pytest.raises(OSError):  # noqa: PT012 - kubectl 1.20 learns of it by this one
            get(port)
            process.wait(timeout=1)
            get(port)


_PYTHON_CLIENT = """
import sys
import kubernetes
from kubernetes.stream import portforward

kubernetes.config.load_kube_config(sys.argv[1])
call = kubernetes.client.CoreV1Api().connect_get_namespaced_pod_portforward
forwarded = portforward(call, "served", "default", ports="80,7999")
connection = forwarded.socket(80)
connection.settimeout(5)
connection.sendall(b"GET /hostname HTTP/1.0\\r\\nHost: x\\r\\n\\r\\n")
said = b""
while b"served" not in said:
    part = connection.recv(1 << 16)
    assert part, said
    said += part
print(forwarded.error(7999))
"""


def test_python_client_forwards_ports(netemu: Netemu, kubectl: Client, lab: str):
    """Its sockets lead to the Pod; a port where nobody listens is an error of that port."""
    # In a process of its own: it leaves a thread and a connection behind.
    argv = [sys.executable, "-c", _PYTHON_CLIENT, str(ClusterFolders(lab).kubeconfig)]
    done = subprocess.run(
        argv, capture_output=True, text=True, timeout=30, env=netemu.environment, check=False
    )
    assert "connection refused" in done.stdout, done
