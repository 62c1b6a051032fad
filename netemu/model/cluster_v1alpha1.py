"""netemu's own kind `Cluster`: what `netemu up --config FILE` reads.

It is never stored, so its fields have no protobuf numbers. What stands below each field is
what docs/cluster-file.md says of it.
"""

from __future__ import annotations

import msgspec

from netemu.model.wire import ApiStruct


class ClusterMetadata(ApiStruct):
    name: str = ""
    """The cluster's name: at most 20 lower-case letters, digits and hyphens."""


class ClusterTaint(ApiStruct):
    """As in a Node's own `spec.taints`."""

    key: str = ""
    """Such as `dedicated`."""
    value: str = ""
    """May be left out."""
    effect: str = "NoSchedule"
    """`NoSchedule`, `PreferNoSchedule` or `NoExecute`."""


class ClusterCapacity(ApiStruct):
    """What a node offers to the scheduler. Nothing is set aside: it is only counted."""

    cpu: str = ""
    """Such as `4` or `500m`; by default what the host has."""
    memory: str = ""
    """Such as `8Gi`; by default what the host has."""
    pods: int | None = None
    """How many pods it takes at most; by default 110."""


class ClusterNode(ApiStruct):
    """One node. A control plane is made even if none is listed."""

    name: str = ""
    """By default `control-plane`, `worker-1`, `worker-2` …"""
    role: str = "worker"
    """`control-plane` or `worker`. There is one control plane, and it is tainted
    `node-role.kubernetes.io/control-plane:NoSchedule`."""
    roles: list[str] = []
    """What `kubectl get nodes` shows below ROLES: each becomes a label
    `node-role.kubernetes.io/NAME`."""
    zone: str = ""
    """The label `topology.kubernetes.io/zone`."""
    labels: dict[str, str] = {}
    """More labels of the Node."""
    taints: list[ClusterTaint] = []
    """Taints that the Node is registered with."""
    capacity: ClusterCapacity = msgspec.field(default_factory=ClusterCapacity)
    """What the scheduler may count on."""
    pod_cidr: str = msgspec.field(default="", name="podCIDR")
    """A /24 of the cluster's `podCIDR` for the pods of this node; by default the next free one."""


class ClusterDns(ApiStruct):
    """The cluster's DNS server: a Deployment `coredns` in `kube-system`."""

    replicas: int = 2
    """How many DNS pods there are."""
    upstream: bool = True
    """Whether other names than the cluster's own are asked of the host's name servers."""


class ImageRule(ApiStruct):
    """What runs in the place of images; exactly one of these is given."""

    stand_in: list[int | str] | None = None
    """A stand-in that serves these ports: `[8080, 53/UDP]`; `[]` is what the pod declares."""
    agnhost: list[str] | None = None
    """agnhost's work-alike with these arguments: `[netexec, --http-port=80]`."""
    command: list[str] | None = None
    """A program of the host with its arguments: `[sleep, infinity]`. The container's own
    `command` and `args` are not looked at."""
    none: bool = False
    """There is no such image: the container stays in `ImagePullBackOff`."""


class ClusterSpec(ApiStruct):
    nodes: int | list[ClusterNode] = 3
    """A number (the control plane included) or the nodes one by one."""
    pod_cidr: str = "10.244.0.0/16"
    """The addresses of pods; each node gets a /24 of it."""
    service_cidr: str = "10.96.0.0/16"
    """The addresses of Services."""
    cluster_dns: str = msgspec.field(default="", name="clusterDNS")
    """The address of the DNS Service, one of the Service range; by default its tenth."""
    domain: str = "cluster.local"
    """The DNS domain of the cluster."""
    dns: ClusterDns = msgspec.field(default_factory=ClusterDns)
    """The DNS server itself."""
    underlay: str = ""
    """The network of the nodes: a /24; by default the next free one of 198.18.0.0/15."""
    overlay: str = "vxlan"
    """How pods of different nodes reach each other: `vxlan`, `host-gw` or `none`."""
    proxy_mode: str = "iptables"
    """How Services are programmed: `iptables`."""
    iptables: str = "auto"
    """`auto`, `nft` or `legacy`; auto is what the host's own `iptables` is."""
    images: dict[str, ImageRule] = {}
    """What images become, by pattern (`mysql*`, `registry.example/shop/*`); the first that
    matches counts, and comes before all that netemu does by itself. A pattern without a `/`
    is compared with the last part of the image's name, any tag is ignored unless the pattern
    has one."""
    strict_images: bool = False
    """No stand-ins but those that `images` asks for: an image that is neither one of netemu's,
    nor named by `images`, nor known as a set of tools stays in `ImagePullBackOff`."""
    node_monitor_grace_period: str = "40s"
    """How long a node may be silent before it is NotReady, as kube-controller-manager's
    `--node-monitor-grace-period`; kubelets renew their Leases four times as often, and what
    comes after (taints, eviction, garbage collection) is quicker in the same proportion."""
    default_toleration_seconds: int = 300
    """How long pods stay on a node that is not ready or unreachable, unless they tolerate it
    for another time themselves; as kube-apiserver's `--default-not-ready-toleration-seconds`
    and `--default-unreachable-toleration-seconds`."""


class Cluster(ApiStruct):
    api_version: str = "netemu.dev/v1alpha1"
    kind: str = "Cluster"
    metadata: ClusterMetadata = msgspec.field(default_factory=ClusterMetadata)
    spec: ClusterSpec = msgspec.field(default_factory=ClusterSpec)
