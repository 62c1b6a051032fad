"""What Pods ask for in their specs and find inside: files, names, users, powers."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode as b64decode

import pytest
from kubelet_node import NODE, Cluster
from test_kubelet_life_kernel import apply_all, first_of

from netemu.model.codec import from_dict
from netemu.model.core_v1 import Pod, Secret

pytestmark = pytest.mark.root

_NET_ADMIN = 12
PODS = """
informed:
  volumes:
  - name: all
    projected:
      sources:
      - serviceAccountToken: {path: token, audience: vault, expirationSeconds: 600}
      - configMap: {name: kube-root-ca.crt, items: [{key: ca.crt, path: etc/ca.crt}]}
      - secret: {name: keys}
      - downwardAPI:
          items:
          - {path: labels, fieldRef: {fieldPath: metadata.labels}}
          - {path: cpu, resourceFieldRef: {containerName: c, resource: limits.cpu, divisor: 1m}}
  - {name: memory, emptyDir: {medium: Memory}}
  - {name: given, emptyDir: {}}
  initContainers:
  - name: i
    image: busybox
    command: [sh, -c, "echo COLOUR=\\\\'deep blue\\\\' > /given/env; ln -s /etc/shadow /given/link"]
    volumeMounts: [{name: given, mountPath: /given}]
  containers:
  - name: c
    image: busybox
    command: [sleep, "1000"]
    resources: {limits: {cpu: 250m, memory: 64Mi}, requests: {memory: 32Mi}}
    env:
    - {name: NODE, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}
    - {name: COLOURED, valueFrom: {fieldRef: {fieldPath: "metadata.labels['colour']"}}}
    - {name: MEMORY, valueFrom: {resourceFieldRef: {resource: requests.memory, divisor: 1Mi}}}
    - {name: COLOUR, valueFrom: {fileKeyRef: {volumeName: given, path: env, key: COLOUR}}}
    - {name: OUT, valueFrom: {fileKeyRef: {volumeName: given, path: link, key: a, optional: true}}}
    volumeMounts: [{name: all, mountPath: /all}, {name: memory, mountPath: /memory}]
named:
  hostname: front
  subdomain: sub
  setHostnameAsFQDN: true
  hostAliases: [{ip: 10.1.2.3, hostnames: [foo, bar]}]
  dnsPolicy: None
  dnsConfig:
    nameservers: [10.96.0.10]
    searches: [my.example, svc.cluster.local]
    options: [{name: ndots, value: "2"}, {name: edns0}]
  containers: [{name: c, image: pause}]
sharing:
  shareProcessNamespace: true
  securityContext: {sysctls: [{name: net.ipv4.ip_unprivileged_port_start, value: "7"}]}
  containers: [{name: c, image: pause}, {name: d, image: busybox, command: [sleep, "4711"]}]
limited:
  securityContext:
    {runAsUser: 1001, runAsGroup: 1002, fsGroup: 1003, supplementalGroups: [1004], runAsNonRoot: true}
  volumes: [{name: v, emptyDir: {}}]
  containers:
  - name: c
    image: busybox
    command: [sleep, "1000"]
    securityContext:
      allowPrivilegeEscalation: false
      readOnlyRootFilesystem: true
      capabilities: {drop: [ALL], add: [NET_ADMIN]}
    volumeMounts: [{name: v, mountPath: /v}]
powerful:
  containers:
  - name: c
    image: busybox
    command: [sleep, "1000"]
    securityContext: {privileged: true}
"""
REFUSED = """
rooted:
  securityContext: {runAsNonRoot: true}
  containers: [{name: c, image: busybox, command: [sleep, "1"], securityContext: {runAsUser: 0}}]
unsafe:
  securityContext: {sysctls: [{name: net.core.somaxconn, value: "99"}]}
  containers: [{name: c, image: pause}]
long:
  hostname: HOSTNAME
  subdomain: sub
  setHostnameAsFQDN: true
  containers: [{name: c, image: pause}]
"""


async def test_what_pods_find_inside(cluster: Cluster) -> None:
    """Each as its spec says."""
    meta = {"name": "keys", "namespace": "default"}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "data": {"k": "djE="}}
    await cluster.client.create(from_dict(secret, Secret))
    await apply_all(cluster, PODS, labels={"colour": "red"})
    await _informed(cluster)
    await cluster.ready("named")
    assert await cluster.exec("named", "uname", "-n") == "front.sub.default.svc.cluster.local\n"
    etc = await cluster.exec("named", "cat", "/etc/hosts", "/etc/resolv.conf")
    assert "10.1.2.3\tfoo\tbar\n" in etc
    assert etc.endswith(
        "search my.example svc.cluster.local\nnameserver 10.96.0.10\noptions ndots:2 edns0\n"
    )
    await cluster.ready("sharing")
    assert "sleep\x004711" in await cluster.exec("sharing", "sh", "-c", "cat /proc/[0-9]*/cmdline")
    port = "/proc/sys/net/ipv4/ip_unprivileged_port_start"
    assert await cluster.exec("sharing", "cat", port) == "7\n"
    await _limited(cluster)


async def _informed(cluster: Cluster) -> None:
    await cluster.ready("informed")
    said = await cluster.exec("informed", "sh", "-c", "tr '\\0' '\\n' < /proc/1/environ")
    for line in (f"NODE={NODE.name}", "COLOURED=red", "MEMORY=32", "COLOUR=deep blue"):
        assert f"{line}\n" in said
    assert "OUT=" not in said
    files = await cluster.exec("informed", "sh", "-c", "cd /all; cat etc/ca.crt k cpu labels")
    assert files == 'PEMv1250colour="red"'
    token = await cluster.exec("informed", "cat", "/all/token")
    claims = json.loads(b64decode(token.split(".")[1] + "=="))
    assert (claims["aud"], claims["exp"] - claims["iat"]) == (["vault"], 600)
    worker = next(
        iter(w for w in cluster.kubelet._workers.values() if w.pod.metadata.name == "informed")
    )
    assert worker._starter.tokens_renewed_at is not None
    worker._starter.tokens_renewed_at = 0.0
    await cluster.kubelet.look_around()

    async def renewed() -> bool:
        return await cluster.exec("informed", "cat", "/all/token") != token

    await cluster.until(renewed)
    kind = await cluster.exec("informed", "stat", "-f", "-c", "%T", "/memory")
    assert kind == "tmpfs\n"
    await cluster.client.patch(
        Pod, "informed", "default", {"metadata": {"labels": {"colour": "green"}}}
    )

    async def told() -> bool:
        return await cluster.exec("informed", "cat", "/all/labels") == 'colour="green"'

    await cluster.until(told)


async def _limited(cluster: Cluster) -> None:
    await cluster.ready("limited")
    assert await cluster.exec("limited", "id") == ("uid=1001 gid=1002 groups=1002,1003,1004\n")
    status = await cluster.exec("limited", "cat", "/proc/1/status")
    assert "NoNewPrivs:\t1\n" in status
    assert "CapBnd:\t0000000000001000\n" in status
    assert "CapEff:\t0000000000000000\n" in status
    tried = await cluster.exec(
        "limited", "sh", "-c", "touch /v/x && touch /x 2>&- || stat -c %g /v/x"
    )
    assert tried == "1003\n"
    await cluster.ready("powerful")
    powers = await cluster.exec("powerful", "grep", "CapEff", "/proc/1/status")
    assert int(powers.split()[1], 16) >> _NET_ADMIN & 1
    mounts = await cluster.exec("powerful", "cat", "/proc/mounts")
    assert "sysfs /sys sysfs rw," in mounts


async def test_what_is_refused_is_said(cluster: Cluster) -> None:
    """In the kubelet's own words, in status and events."""
    await apply_all(cluster, REFUSED.replace("HOSTNAME", "h" * 50))
    unsafe = await cluster.waits_for("unsafe", lambda pod: pod.status.phase == "Failed")
    assert unsafe.status.reason == "SysctlForbidden"
    assert unsafe.status.message == 'forbidden sysctl: "net.core.somaxconn" not allowlisted'
    rooted = await cluster.waits_for(
        "rooted", lambda pod: first_of(pod) and first_of(pod).state.waiting.message
    )
    waiting = first_of(rooted).state.waiting
    assert waiting.reason == "CreateContainerConfigError"
    whose = f'(pod: "rooted_default({rooted.metadata.uid})", container: c)'
    assert waiting.message == f"container's runAsUser breaks non-root policy {whose}"

    text = (
        "Failed to create pod sandbox: failed to construct FQDN from pod hostname and cluster domain,"
        f" FQDN {'h' * 50}.sub.default.svc.cluster.local is too long"
        " (64 characters is the max, 80 characters requested)"
    )

    async def too_long() -> bool:
        return ("FailedCreatePodSandBox", text) in await cluster.events("long")

    await cluster.until(too_long)
