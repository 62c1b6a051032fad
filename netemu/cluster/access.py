"""Who may do what from outside: the administrator's kubeconfig."""

from __future__ import annotations

import yaml

from netemu.client.https import HttpsClient
from netemu.client.kubeconfig import ApiAccess, load_kubeconfig, render_kubeconfig
from netemu.errors import HostError
from netemu.host import clusters
from netemu.host.clusters import ClusterFolders
from netemu.host.kubectl_config import context_name
from netemu.host.pki import ClusterPki

_ADMIN = "kubernetes-admin"
_MASTERS = "system:masters"


def write_kubeconfig(cluster: str, pki: ClusterPki, *, url: str) -> None:
    """Write the administrator's kubeconfig into the cluster's folder, for root only."""
    admin = pki.issue_client(_ADMIN, groups=[_MASTERS])
    access = ApiAccess(
        server=url,
        ca_pem=pki.ca_pem,
        certificate_pem=admin.certificate_pem,
        key_pem=admin.key_pem,
    )
    text = yaml.safe_dump(render_kubeconfig(context_name(cluster), access), sort_keys=False)
    clusters.write_atomically(ClusterFolders(cluster).kubeconfig, text.encode())


def open_client(cluster: str) -> HttpsClient:
    """Return the administrator's client of a cluster that runs; HostError if it does not."""
    if clusters.daemon_of(cluster) is None:
        again = "start" if clusters.is_stopped(cluster) else "up"
        raise HostError(
            f'reaching cluster "{cluster}"',
            answer=f"its daemon does not run; 'sudo netemu {again} {cluster}' starts it again",
        )
    return HttpsClient(load_kubeconfig(ClusterFolders(cluster).kubeconfig))
