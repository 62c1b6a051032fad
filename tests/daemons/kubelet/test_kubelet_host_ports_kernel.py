"""Host ports with real packets: from outside, from the node, from the Pod itself."""

from __future__ import annotations

import socket

import pytest
from kubelet_node import NODE, Cluster

pytestmark = pytest.mark.root

PODS = """
apiVersion: v1
kind: Pod
metadata: {name: NAME, namespace: default}
spec:
  terminationGracePeriodSeconds: 0
  containers:
  - name: c
    image: agnhost
    args: [netexec, --http-port=80, --udp-port=81]
    ports:
    - {containerPort: 80, hostPort: 8080}
    - {containerPort: 81, hostPort: 8081, protocol: UDP}
    readinessProbe: {tcpSocket: {port: 80}}
"""


async def _visit(cluster: Cluster, host: str) -> str:
    done = await cluster.netns.run(["curl", "-sS", "-m", "10", f"http://{host}:8080/hostname"])
    return done.stdout.decode()


def _say(sock: socket.socket, host: str) -> str:
    sock.sendto(b"hostname", (host, 8081))
    try:
        return sock.recv(100).decode()
    except OSError:
        return ""


async def test_host_ports_lead_to_their_pod(cluster: Cluster) -> None:
    """TCP and UDP, over a new kubelet and a flushed table; then to the Pod that comes after."""
    await cluster.netns.run(["sysctl", "-qw", "net.ipv4.ip_forward=1"])
    flow = cluster.netns.socket(socket.AF_INET, socket.SOCK_DGRAM)
    flow.settimeout(5)
    flow.sendto(b"too early", (str(NODE.address), 8081))
    await cluster.apply(PODS.replace("NAME", "first"))
    pod = await cluster.ready("first")
    for host in ("127.0.0.1", str(NODE.address)):
        assert await _visit(cluster, host) == "first"
    assert _say(flow, str(NODE.address)) == "first", "the flow of before was forgotten"
    own = f"http://{NODE.address}:8080/clientip"
    hairpin = await cluster.exec("first", "curl", "-sS", "-m", "10", own)
    assert hairpin.startswith("10.244.1.1:")

    await cluster.stop_kubelet()
    await cluster.netns.run(["iptables", "-t", "nat", "-F", "CNI-HOSTPORT-DNAT"])
    await cluster.start_kubelet()

    async def forwarded() -> bool:
        return await _visit(cluster, "127.0.0.1") == "first"

    await cluster.until(forwarded)
    await cluster.apply(PODS.replace("NAME", "greedy"))
    refused = await cluster.waits_for("greedy", lambda found: found.status.phase == "Failed")
    assert refused.status.reason == "NodePorts"
    await cluster.client.delete(type(pod), "first", "default")
    await cluster.gone("first")
    assert await _visit(cluster, "127.0.0.1") == ""
    await cluster.apply(PODS.replace("NAME", "second"))
    await cluster.ready("second")
    assert _say(flow, str(NODE.address)) == "second", "the flow to the Pod of before, too"
    flow.close()
