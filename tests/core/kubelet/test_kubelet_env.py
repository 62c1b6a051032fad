"""Environments: Services, envFrom, env, expansion (kube-proxy.md, 5)."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest
import yaml

from netemu.core.kubelet import env
from netemu.core.kubelet.env import Sources
from netemu.core.kubelet.field_refs import ContainerConfigError, PodFacts
from netemu.core.kubelet.service_env import service_variables
from netemu.model.codec import from_dict
from netemu.model.core_v1 import ConfigMap, Pod, Secret, Service

FACTS = PodFacts(
    pod_ip=IPv4Address("10.244.1.5"),
    host_ip=IPv4Address("198.18.0.12"),
    allocatable={"cpu": "2", "memory": "1Gi"},
)


def service(text: str) -> Service:
    return from_dict(yaml.safe_load(text), Service)


KUBERNETES = service("""
apiVersion: v1
kind: Service
metadata: {name: kubernetes, namespace: default}
spec: {clusterIP: 10.96.0.1, ports: [{name: https, port: 443, protocol: TCP}]}
""")
REDIS = service("""
apiVersion: v1
kind: Service
metadata: {name: redis-primary, namespace: shop}
spec:
  clusterIP: 10.0.0.11
  ports: [{name: db, port: 6379, protocol: TCP}, {name: m, port: 9, protocol: UDP}]
""")
HEADLESS = service("""
apiVersion: v1
kind: Service
metadata: {name: headless, namespace: shop}
spec: {clusterIP: None, ports: [{port: 80}]}
""")
ELSEWHERE = service("""
apiVersion: v1
kind: Service
metadata: {name: elsewhere, namespace: other}
spec: {clusterIP: 10.0.0.12, ports: [{port: 80}]}
""")
CONFIG = from_dict(
    {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "settings", "namespace": "shop"},
        "data": {"COLOUR": "blue", "1 bad": "x"},
    },
    ConfigMap,
)
SECRET = from_dict(
    {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "keys", "namespace": "shop"},
        "data": {"password": "czNjcmV0"},
    },
    Secret,
)


def sources(*services: Service) -> Sources:
    return Sources(
        config_map=lambda name: CONFIG if name == "settings" else None,
        secret=lambda name: SECRET if name == "keys" else None,
        services=services,
    )


def pod(container: str, **spec: object) -> Pod:
    return from_dict(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": "web",
                "namespace": "shop",
                "uid": "u1",
                "labels": {"app": "web"},
                "annotations": {"note": "hi"},
            },
            "spec": {"nodeName": "worker-1", "containers": [yaml.safe_load(container)], **spec},
        },
        Pod,
    )


def variables(of: Pod, *services: Service) -> dict[str, str]:
    container = of.spec.containers[0]
    made = env.make(of, container, hostname="web", sources=sources(*services), facts=FACTS)
    return made.variables


def test_service_variables_are_kubernetes_own() -> None:
    """A Service gives exactly the variables of the fact sheet, in order."""
    assert list(service_variables([REDIS], namespace="shop", links=True).items()) == [
        ("REDIS_PRIMARY_SERVICE_HOST", "10.0.0.11"),
        ("REDIS_PRIMARY_SERVICE_PORT", "6379"),
        ("REDIS_PRIMARY_SERVICE_PORT_DB", "6379"),
        ("REDIS_PRIMARY_SERVICE_PORT_M", "9"),
        ("REDIS_PRIMARY_PORT", "tcp://10.0.0.11:6379"),
        ("REDIS_PRIMARY_PORT_6379_TCP", "tcp://10.0.0.11:6379"),
        ("REDIS_PRIMARY_PORT_6379_TCP_PROTO", "tcp"),
        ("REDIS_PRIMARY_PORT_6379_TCP_PORT", "6379"),
        ("REDIS_PRIMARY_PORT_6379_TCP_ADDR", "10.0.0.11"),
        ("REDIS_PRIMARY_PORT_9_UDP", "udp://10.0.0.11:9"),
        ("REDIS_PRIMARY_PORT_9_UDP_PROTO", "udp"),
        ("REDIS_PRIMARY_PORT_9_UDP_PORT", "9"),
        ("REDIS_PRIMARY_PORT_9_UDP_ADDR", "10.0.0.11"),
    ]


def test_which_services_are_visible() -> None:
    """Own namespace with an address, plus default/kubernetes; the latter without links, too."""
    everything = [KUBERNETES, REDIS, HEADLESS, ELSEWHERE]
    linked = service_variables(everything, namespace="shop", links=True)
    hosts = [name for name in linked if name.endswith("_SERVICE_HOST")]
    assert hosts == ["KUBERNETES_SERVICE_HOST", "REDIS_PRIMARY_SERVICE_HOST"]
    unlinked = service_variables(everything, namespace="shop", links=False)
    assert [name for name in unlinked if name.endswith("_HOST")] == ["KUBERNETES_SERVICE_HOST"]


def test_own_kubernetes_service_wins_when_links_are_on() -> None:
    """A Service called kubernetes in the Pod's namespace hides the API server's."""
    own = service("""
apiVersion: v1
kind: Service
metadata: {name: kubernetes, namespace: shop}
spec: {clusterIP: 10.0.0.99, ports: [{port: 80}]}
""")
    for order in ([own, KUBERNETES], [KUBERNETES, own]):
        on = service_variables(order, namespace="shop", links=True)
        assert on["KUBERNETES_SERVICE_HOST"] == "10.0.0.99"
        off = service_variables(order, namespace="shop", links=False)
        assert off["KUBERNETES_SERVICE_HOST"] == "10.96.0.1"


def test_ipv6_urls_are_bracketed() -> None:
    """Host and address stay bare, URLs do not."""
    six = service("""
apiVersion: v1
kind: Service
metadata: {name: six, namespace: shop}
spec: {clusterIP: "fd00::1", ports: [{port: 80, protocol: TCP}]}
""")
    made = service_variables([six], namespace="shop", links=True)
    assert made["SIX_SERVICE_HOST"] == "fd00::1"
    assert made["SIX_PORT"] == "tcp://[fd00::1]:80"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("$(A)-$(B)", "1-2"),
        ("$(MISSING)", "$(MISSING)"),
        ("$$(A)", "$(A)"),
        ("$$$(A)", "$1"),
        ("$(A", "$(A"),
        ("$x $", "$x $"),
        ("$(C)", "$(A)"),
    ],
)
def test_expansion(text: str, expected: str) -> None:
    """`$(VAR)` expands once, `$$` escapes, everything else is literal."""
    assert env.expand(text, {"A": "1", "B": "2", "C": "$(A)"}) == expected


def test_precedence_and_order() -> None:
    """env beats envFrom beats Services, and sees only what stands before it."""
    made = variables(
        pod("""
name: c
envFrom: [{configMapRef: {name: settings}}, {prefix: P_, secretRef: {name: keys}}]
env:
- {name: EARLY, value: "$(LATE) $(COLOUR) $(REDIS_PRIMARY_SERVICE_PORT)"}
- {name: LATE, value: x}
- {name: COLOUR, value: "not $(COLOUR)"}
- {name: REDIS_PRIMARY_SERVICE_HOST, value: mine}
"""),
        REDIS,
    )
    assert made["EARLY"] == "$(LATE) blue 6379"
    assert made["COLOUR"] == "not blue"
    assert made["REDIS_PRIMARY_SERVICE_HOST"] == "mine"
    assert made["P_password"] == "s3cret"
    assert made["HOSTNAME"] == "web"


def test_env_from_skips_keys_that_are_no_names() -> None:
    """A key that cannot be a variable is skipped and reported."""
    of = pod("{name: c, envFrom: [{configMapRef: {name: settings}}]}")
    made = env.make(of, of.spec.containers[0], hostname="w", sources=sources(), facts=FACTS)
    assert made.skipped == (("ConfigMap shop/settings", "1 bad"),)


def test_references() -> None:
    """fieldRef, resourceFieldRef and key references give the Pod's own facts."""
    made = variables(
        pod("""
name: c
resources: {requests: {cpu: 250m}, limits: {memory: 64Mi}}
env:
- {name: NAME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
- {name: IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}
- {name: HOST, valueFrom: {fieldRef: {fieldPath: status.hostIP}}}
- {name: NODE, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}
- {name: APP, valueFrom: {fieldRef: {fieldPath: "metadata.labels['app']"}}}
- {name: MEMORY, valueFrom: {resourceFieldRef: {resource: limits.memory, divisor: 1Mi}}}
- {name: CPU, valueFrom: {resourceFieldRef: {resource: requests.cpu}}}
- {name: CPU_LIMIT, valueFrom: {resourceFieldRef: {resource: limits.cpu}}}
- {name: KEY, valueFrom: {secretKeyRef: {name: keys, key: password}}}
- {name: GONE, valueFrom: {configMapKeyRef: {name: none, key: x, optional: true}}}
""")
    )
    wanted = {
        "NAME": "web",
        "IP": "10.244.1.5",
        "HOST": "198.18.0.12",
        "NODE": "worker-1",
        "APP": "web",
        "MEMORY": "64",
        "CPU": "1",
        "CPU_LIMIT": "2",
        "KEY": "s3cret",
    }
    assert {name: made.get(name) for name in wanted} == wanted
    assert "GONE" not in made


@pytest.mark.parametrize(
    ("container", "message"),
    [
        ("{name: c, envFrom: [{configMapRef: {name: x}}]}", 'configmap "x" not found'),
        ("{name: c, envFrom: [{secretRef: {name: x}}]}", 'secret "x" not found'),
        (
            "{name: c, env: [{name: A, valueFrom: {configMapKeyRef: {name: settings, key: k}}}]}",
            "couldn't find key k in ConfigMap shop/settings",
        ),
        (
            "{name: c, env: [{name: A, valueFrom: {secretKeyRef: {name: keys, key: k}}}]}",
            "couldn't find key k in Secret shop/keys",
        ),
    ],
)
def test_what_is_missing_is_said_in_kubernetes_words(container: str, message: str) -> None:
    """A missing source is a CreateContainerConfigError with the kubelet's text."""
    with pytest.raises(ContainerConfigError) as caught:
        variables(pod(container))
    assert str(caught.value) == message
