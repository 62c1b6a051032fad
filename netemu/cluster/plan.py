"""Flags and cluster file → the settings of a cluster, complete and checked."""

from __future__ import annotations

from pathlib import PurePosixPath

from netemu.cluster.observation import observe_host
from netemu.core.plan_checks import Complain
from netemu.core.plans import plan_settings
from netemu.errors import UserError
from netemu.host import clusters
from netemu.host.text_files import read_text
from netemu.model.cluster_v1alpha1 import Cluster
from netemu.model.documents import Located, read_documents
from netemu.model.settings import ClusterSettings

API_VERSION = "netemu.dev/v1alpha1"


def read_document(path: str, kind: str) -> Located:
    """Return the one document of a file of netemu's own; UserError if it is not that kind."""
    documents = read_documents(read_text(path), path)
    if len(documents) != 1:
        raise UserError(f"expected one {kind}, found {len(documents)} documents", file=path)
    document = documents[0]
    if not isinstance(document.obj, dict):
        raise document.error(f"expected a {kind}, found {document.obj!r}")
    for name, wanted in (("apiVersion", API_VERSION), ("kind", kind)):
        if document.obj.get(name) != wanted:
            found = document.obj.get(name)
            raise document.error(f"expected {name}: {wanted}, found {found!r}", name)
    return document


def read_cluster(path: str) -> tuple[Cluster, Complain]:
    """Return a cluster file's content, and how to complain about its fields."""
    document = read_document(path, "Cluster")
    return document.into(Cluster), complain_about(document)


def complain_about(document: Located) -> Complain:
    return lambda path, message: document.error(f"{path}: {message}", path)


def complain_about_flags(path: str, message: str) -> UserError:
    """The same for what came from the command line."""
    flags = {
        "spec.nodes": "--nodes: ",
        "spec.overlay": "--overlay: ",
        "spec.proxyMode": "--proxy-mode: ",
        "spec.iptables": "--iptables: ",
        "spec.nodeMonitorGracePeriod": "--node-monitor-grace-period: ",
        "spec.defaultTolerationSeconds": "--default-toleration-seconds: ",
    }
    return UserError(flags.get(path, "") + message)


def make_settings(cluster: Cluster, complain: Complain) -> ClusterSettings:
    """Return the settings of a new cluster on this host; nothing is made yet."""
    return plan_settings(
        cluster,
        observe_host(),
        state_root=PurePosixPath(clusters.STATE_ROOT),
        run_root=PurePosixPath(clusters.RUN_ROOT),
        complain=complain,
    )
