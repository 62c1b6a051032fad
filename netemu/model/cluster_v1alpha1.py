"""netemu's own kind `Cluster`: what `netemu up --config FILE` reads."""

from __future__ import annotations

import msgspec


class _Strict(msgspec.Struct, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What a person writes by hand: a typing error is an error."""


class ClusterMetadata(_Strict):
    name: str = ""


class ClusterNode(_Strict):
    """One node; the first control plane is made even if none is listed."""

    name: str = ""
    role: str = "worker"
    """`control-plane` or `worker`."""
    labels: dict[str, str] = {}


class ClusterSpec(_Strict):
    nodes: int | list[ClusterNode] = 3
    """A number (the control plane included) or the nodes one by one."""
    pod_cidr: str = msgspec.field(default="10.244.0.0/16", name="podCIDR")
    service_cidr: str = msgspec.field(default="10.96.0.0/16", name="serviceCIDR")
    cluster_dns: str = msgspec.field(default="", name="clusterDNS")
    """An address of the Service range; by default its tenth."""
    domain: str = "cluster.local"
    underlay: str = ""
    """A /24; by default the next free one of 198.18.0.0/15."""
    overlay: str = "vxlan"
    proxy_mode: str = msgspec.field(default="iptables", name="proxyMode")
    iptables: str = "auto"
    """`auto`, `nft` or `legacy`; auto is what the host's own `iptables` is."""


class Cluster(_Strict):
    api_version: str = msgspec.field(default="netemu.dev/v1alpha1", name="apiVersion")
    kind: str = "Cluster"
    metadata: ClusterMetadata = msgspec.field(default_factory=ClusterMetadata)
    spec: ClusterSpec = msgspec.field(default_factory=ClusterSpec)
