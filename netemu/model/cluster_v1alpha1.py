"""netemu's own kind `Cluster`: what `netemu up --config FILE` reads.

It is never stored, so its fields have no protobuf numbers.
"""

from __future__ import annotations

import msgspec

from netemu.model.wire import ApiStruct


class ClusterMetadata(ApiStruct):
    name: str = ""


class ClusterNode(ApiStruct):
    """One node; the first control plane is made even if none is listed."""

    name: str = ""
    role: str = "worker"
    """`control-plane` or `worker`."""
    labels: dict[str, str] = {}


class ClusterSpec(ApiStruct):
    nodes: int | list[ClusterNode] = 3
    """A number (the control plane included) or the nodes one by one."""
    pod_cidr: str = "10.244.0.0/16"
    service_cidr: str = "10.96.0.0/16"
    cluster_dns: str = msgspec.field(default="", name="clusterDNS")
    """An address of the Service range; by default its tenth."""
    domain: str = "cluster.local"
    underlay: str = ""
    """A /24; by default the next free one of 198.18.0.0/15."""
    overlay: str = "vxlan"
    proxy_mode: str = "iptables"
    iptables: str = "auto"
    """`auto`, `nft` or `legacy`; auto is what the host's own `iptables` is."""


class Cluster(ApiStruct):
    api_version: str = "netemu.dev/v1alpha1"
    kind: str = "Cluster"
    metadata: ClusterMetadata = msgspec.field(default_factory=ClusterMetadata)
    spec: ClusterSpec = msgspec.field(default_factory=ClusterSpec)
