"""What a cluster has from the start, besides Nodes: its DNS.

Manifests as objects; who makes them is `cluster.py`, through the API like anybody.
"""

from __future__ import annotations

from netemu.model.apps_v1 import Deployment, DeploymentSpec
from netemu.model.core_v1 import (
    Container,
    ContainerPort,
    EmptyDirVolumeSource,
    PodSpec,
    PodTemplateSpec,
    Probe,
    Service,
    ServiceAccount,
    ServicePort,
    ServiceSpec,
    TCPSocketAction,
    Toleration,
    Volume,
    VolumeMount,
)
from netemu.model.meta_v1 import LabelSelector, ObjectMeta
from netemu.model.schema import ApiObject
from netemu.model.settings import ClusterSettings

NAMESPACE = "kube-system"
DNS_NAME = "coredns"
DNS_SERVICE = "kube-dns"
DNS_IMAGE = "netemu/dns"
_DNS_LABELS = {"k8s-app": "kube-dns"}
_MEMORY = "/var/lib/netemu-dns"


def dns_objects(settings: ClusterSettings) -> list[ApiObject]:
    """The DNS server's account, Service and Deployment, under the names that kubeadm gives."""
    meta = {"namespace": NAMESPACE, "labels": _DNS_LABELS}
    account = ServiceAccount(metadata=ObjectMeta(name=DNS_NAME, namespace=NAMESPACE))
    service = Service(
        metadata=ObjectMeta(
            name=DNS_SERVICE,
            namespace=NAMESPACE,
            labels={
                **_DNS_LABELS,
                "kubernetes.io/cluster-service": "true",
                "kubernetes.io/name": "CoreDNS",
            },
        ),
        spec=ServiceSpec(
            cluster_ip=str(settings.cluster_dns),
            selector=_DNS_LABELS,
            ports=[
                ServicePort(name="dns", protocol="UDP", port=53, target_port=53),
                ServicePort(name="dns-tcp", protocol="TCP", port=53, target_port=53),
            ],
        ),
    )
    deployment = Deployment(
        metadata=ObjectMeta(name=DNS_NAME, **meta),  # type: ignore[arg-type]
        spec=DeploymentSpec(
            replicas=settings.dns_replicas,
            selector=LabelSelector(match_labels=_DNS_LABELS),
            template=PodTemplateSpec(
                metadata=ObjectMeta(labels=_DNS_LABELS), spec=_dns_pod(settings)
            ),
        ),
    )
    return [account, service, deployment]


def _dns_pod(settings: ClusterSettings) -> PodSpec:
    upstream = [word for server in settings.upstream_dns for word in ("--upstream", server)]
    return PodSpec(
        service_account_name=DNS_NAME,
        priority_class_name="system-cluster-critical",
        # Its own name server is itself, which is not there yet: it asks the node's.
        dns_policy="Default",
        termination_grace_period_seconds=2,
        tolerations=[
            Toleration(key="CriticalAddonsOnly", operator="Exists"),
            Toleration(key="node-role.kubernetes.io/control-plane", effect="NoSchedule"),
        ],
        containers=[
            Container(
                name="coredns",
                image=DNS_IMAGE,
                args=["--domain", settings.domain, "--memory", f"{_MEMORY}/known.json", *upstream],
                ports=[
                    ContainerPort(name="dns", container_port=53, protocol="UDP"),
                    ContainerPort(name="dns-tcp", container_port=53, protocol="TCP"),
                ],
                volume_mounts=[VolumeMount(name="memory", mount_path=_MEMORY)],
                # It listens when it has something to answer from.
                readiness_probe=Probe(tcp_socket=TCPSocketAction(port="dns-tcp"), period_seconds=2),
            )
        ],
        # It outlives the container, not the Pod.
        volumes=[Volume(name="memory", empty_dir=EmptyDirVolumeSource())],
    )
