"""What the doctor says of a cluster that is well, and of one whose parts are taken away."""

from __future__ import annotations

import os
import subprocess
from typing import Any

import pytest
from netemu_command import Netemu, new_name

from netemu.core import names
from netemu.host import clusters
from netemu.host.zygote import birth

pytestmark = pytest.mark.root


def _bad(netemu: Netemu, cluster: str, code: int) -> dict[str, Any]:
    """Return the details of all that is not fine."""
    found = netemu("doctor", cluster, "-o", "json", code=code).json
    assert found["well"] is (code == 0)
    return {c["name"]: c["detail"] for c in found["checks"] if c["verdict"] != "ok"}


def test_doctor_of_a_cluster(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Well; a pod that cannot be placed; rules, cable, name and daemon gone; settings torn."""
    netemu = Netemu(tmp_path_factory.mktemp("home"))
    with netemu.cluster(new_name("ill"), "--nodes", "2") as lab:
        assert _bad(netemu, lab, 0) == {}
        checks = {c["name"]: c["detail"] for c in netemu("doctor", "-o", "json").json["checks"]}
        assert f"{lab} (running)" in checks["clusters"]
        assert lab not in checks["leftovers"]
        # What mends itself in seconds must still be broken when the doctor looks.
        record = clusters.daemon_of(lab)
        assert record
        netemu("apply", "-f", "-", stdin=_HUGE)
        netemu("node", "partition", "worker-1", "--cluster", lab)
        bad = _bad(netemu, lab, 0)
        assert bad["Pods"] == "default/huge (Unschedulable)"
        assert bad["power and cables"] == "cut off: worker-1"
        netemu("node", "heal", "worker-1", "--cluster", lab)

        netemu("shell", "--cluster", lab, "worker-1", "iptables", "-t", "nat", "-F")
        assert "worker-1 (lacks 2: " in _bad(netemu, lab, 1)["kube-proxy"]

        record.process.end(grace_s=0.0)
        space = f"/run/netns/{names.node_netns(lab, 'worker-1')}"
        subprocess.run(["umount", space], check=True)
        os.unlink(space)
        bad = _bad(netemu, lab, 1)
        assert bad["daemon"] == "dead; all else may go on"
        assert bad["node namespaces"] == "none for worker-1"
        assert birth.answers(clusters.ClusterFolders(lab).run)
        assert "zygote" not in bad

        settings = clusters.ClusterFolders(lab).settings
        whole = settings.read_bytes()
        settings.write_bytes(whole[:20])
        assert "not the settings of a cluster" in _bad(netemu, lab, 1)["settings"]
        settings.write_bytes(whole)
        assert "no cluster named" in netemu("doctor", "nobody", code=2).err


_HUGE = """
apiVersion: v1
kind: Pod
metadata: {name: huge}
spec:
  containers:
    - {name: huge, image: nginx, resources: {requests: {cpu: "5000"}}}
"""
