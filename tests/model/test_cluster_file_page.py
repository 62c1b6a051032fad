"""The page about cluster files says what the code says."""

from __future__ import annotations

from ipaddress import IPv4Network
from pathlib import Path, PurePosixPath

import cluster_file_page

from netemu import plugins
from netemu.core.overlay import backends
from netemu.core.plans import HostFacts, plan_settings
from netemu.errors import UserError
from netemu.model import cluster_v1alpha1
from netemu.model.cluster_v1alpha1 import Cluster
from netemu.model.documents import read_documents
from netemu.model.settings import ClusterSettings

PAGE = Path(__file__).resolve().parents[2] / "docs" / "cluster-file.md"


def test_the_page_is_made_from_the_code(update_golden: bool) -> None:
    """docs/cluster-file.md is what comes out; `--update-golden` writes it."""
    page = cluster_file_page.render()
    if update_golden:
        PAGE.write_text(page, encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == page


def test_every_part_of_a_cluster_file_has_a_section() -> None:
    """A struct that is new is told of, too."""
    assert cluster_file_page.described() == cluster_file_page.structs(cluster_v1alpha1)


def _complain(path: str, message: str) -> UserError:
    return UserError(f"{path}: {message}")


def _settings(text: str) -> ClusterSettings:
    host = HostFacts(
        networks_in_use=[IPv4Network("198.18.0.0/24")],
        iptables_flavour="nft",
        name_servers=("192.0.2.53",),
        overlays=plugins.names(backends),
        proxy_modes=["iptables"],
    )
    cluster = read_documents(text, "example.yaml")[0].into(Cluster)
    root = PurePosixPath("/tmp")
    return plan_settings(cluster, host, state_root=root, run_root=root, complain=_complain)


def test_the_example_is_a_cluster() -> None:
    """It passes all checks and becomes what it says."""
    settings = _settings(cluster_file_page.EXAMPLE)
    assert [node.name for node in settings.nodes] == [
        "control-plane",
        "worker-1",
        "worker-2",
        "batch-1",
    ]
    ingress, small, batch = settings.nodes[1:]
    assert ingress.labels == {
        "topology.kubernetes.io/zone": "east",
        "node-role.kubernetes.io/ingress": "",
    }
    assert (small.cpu, small.memory, small.max_pods) == ("2", "4Gi", 20)
    assert [(t.key, t.value, t.effect) for t in batch.taints] == [
        ("dedicated", "batch", "NoSchedule")
    ]
    assert (settings.dns_replicas, settings.upstream_dns) == (1, ())
    assert (settings.node_grace_s, settings.toleration_s) == (4.0, 30)
    assert [(r.pattern, r.stand_in, r.agnhost, r.command) for r in settings.images] == [
        ("mysql*", ("3306/TCP",), None, None),
        ("registry.example/shop/*", None, ("netexec", "--http-port=8080"), None),
        ("migrate", None, None, ("sleep", "infinity")),
        ("typo", None, None, None),
    ]
