"""The host is rebooted under a cluster: the first test of the suite, for it ends the suite.

systemd ends all processes and the machine starts anew; so do these tests, from their first
line, on a disk that remembers. `netemu start` then has to bring back what was there.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
from netemu_command import Netemu, until

pytestmark = [pytest.mark.root, pytest.mark.vm]

NAME = "reboot"
NOTED = Path("/var/tmp/netemu-before-the-reboot.json")
WORKLOAD = Path(__file__).with_name("workload.yaml")


def test_a_reboot_keeps_pods_and_addresses(tmp_path: Path):
    """Same UIDs, nodes and addresses, one restart more; the Service answers; `down` is whole."""
    netemu = Netemu(tmp_path)
    if not NOTED.exists():
        netemu("up", NAME, "--nodes", "2")
        netemu("apply", "-f", str(WORKLOAD), "--cluster", NAME)
        until(lambda: _answers(netemu), what="an answer of the Service")
        until(lambda: len(_facts(netemu)) == 2, what="two running Pods")
        _reboot_with(_facts(netemu))
    before = json.loads(NOTED.read_text())
    assert _boot_id() != before["boot"]
    NOTED.unlink()
    assert "stopped" in netemu("status", NAME).out
    try:
        netemu("start", NAME)
        until(lambda: _answers(netemu), what="an answer of the Service after the reboot")
        expected = {n: [*facts[:3], facts[3] + 1] for n, facts in before["pods"].items()}
        assert _facts(netemu) == expected
    finally:
        netemu("down", NAME)


def _reboot_with(pods: dict[str, Any]) -> None:
    """Note what there is and reboot; nobody gets past it."""
    NOTED.write_text(json.dumps({"boot": _boot_id(), "pods": pods}))
    os.sync()
    subprocess.run(["systemctl", "reboot"], check=True)
    signal.pause()


def _boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def _facts(netemu: Netemu) -> dict[str, Any]:
    """UID, node, address and restarts of the Pods that run."""
    listed = netemu("get", "pods", "-o", "json", "--cluster", NAME).json["items"]
    return {
        pod["metadata"]["name"]: [
            pod["metadata"]["uid"],
            pod["spec"]["nodeName"],
            pod["status"]["podIP"],
            pod["status"]["containerStatuses"][0]["restartCount"],
        ]
        for pod in listed
        if pod["status"]["phase"] == "Running"
    }


def _answers(netemu: Netemu) -> bool:
    asked = ("exec", "--cluster", NAME, "pod/client", "--", "curl", "-sf", "http://web/hostname")
    return netemu(*asked, code=None).out.strip() == "web"
