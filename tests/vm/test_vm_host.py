"""A whole host: Debian with systemd, cgroup v2 and modules on demand, as users have it.

These run in the virtual machine, on its own namespaces, in this order: what the first
cluster leaves loaded is part of the host that the second has to leave as it was.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from host_state import differences, host_state
from netemu_command import Netemu, until

from netemu.host import clusters
from netemu.host.processes import ProcessId

pytestmark = [pytest.mark.root, pytest.mark.vm]

NAME = "vmhost"
_THE_HOSTS_OWN = re.compile(r"^[+-] (\d+ *$|\d+ \(udev-worker\)|/run/(systemd|udev)/)")
"""Kernel threads, udev's workers and systemd's notes come and go by themselves."""
WORKLOAD = Path(__file__).with_name("workload.yaml")


@pytest.fixture(scope="module")
def netemu(tmp_path_factory: pytest.TempPathFactory) -> Netemu:
    return Netemu(tmp_path_factory.mktemp("home"))


def test_this_is_a_host_as_users_have_it():
    """systemd is the first process, cgroup v2 all there is, Debian's kernel with its modules."""
    assert Path("/proc/1/comm").read_text() == "systemd\n"
    mounts = [line.split()[2] for line in Path("/proc/mounts").read_text().splitlines()]
    assert "cgroup2" in mounts
    assert "cgroup" not in mounts
    assert os.uname().release.endswith("-cloud-amd64")
    assert not Path("/sys/module/br_netfilter").exists()
    assert os.listdir("/sys/class/net") == ["lo"]


def test_doctor_finds_all(netemu: Netemu):
    """Every facility is there; modules that are not loaded yet count."""
    checks = {check["name"]: check for check in netemu("doctor", "-o", "json").json["checks"]}
    wanting = {n: c["detail"] for n, c in checks.items() if c["verdict"] in ("missing", "absent")}
    # Nobody wants another machine inside of this one.
    assert set(wanting) <= {"qemu"}
    assert checks["cgroups"]["detail"].startswith("v2: cpu, memory, pids")
    for name in ("ipvs", "netem", "wireguard", "br_netfilter"):
        assert checks[name]["verdict"] in ("ok", "note"), checks[name]


def test_the_demo_passes_and_leaves_nothing(netemu: Netemu):
    """Pods, Services, NodePorts and DNS on the host's own namespaces; then nothing of it."""
    said = netemu("demo").out
    assert "passed: " in said
    assert not Path("/sys/module/br_netfilter").exists()
    for folder in ("/run/netns", "/run/netemu", "/var/lib/netemu"):
        assert not os.path.exists(folder)


class Workload:
    """A cluster with limits, and how the host was before it."""

    def __init__(self, netemu: Netemu) -> None:
        self.netemu = netemu
        self.before = host_state(netemu.home, cluster=NAME)

    def pods(self) -> dict[str, Any]:
        listed = self.netemu("get", "pods", "-o", "json", "--cluster", NAME).json["items"]
        return {pod["metadata"]["name"]: pod for pod in listed}

    def status(self, name: str) -> Any:
        (status,) = self.pods()[name]["status"]["containerStatuses"]
        return status

    def answers(self) -> bool:
        words = (
            "exec",
            "--cluster",
            NAME,
            "pod/client",
            "--",
            "curl",
            "-sf",
            "http://web/hostname",
        )
        return self.netemu(*words, code=None).out.strip() == "web"


@pytest.fixture(scope="module")
def workload(netemu: Netemu) -> Iterator[Workload]:
    made = Workload(netemu)
    try:
        netemu("up", NAME, "--nodes", "2")
        netemu("apply", "-f", str(WORKLOAD), "--cluster", NAME)
        until(made.answers, what="an answer of the Service")
        yield made
    finally:
        netemu("down", NAME)


def test_limits_are_the_kernels(workload: Workload):
    """Who eats more memory than its limit is killed for it; the CPU limit is in its group."""
    ended = until(
        lambda: workload.status("eater")["state"].get("terminated"), what="the end of the eater"
    )
    assert (ended["reason"], ended["exitCode"]) == ("OOMKilled", 137)
    (group,) = Path("/sys/fs/cgroup").rglob(f"netemu-{NAME}.*")
    assert "50000 100000" in {file.read_text().strip() for file in group.rglob("cpu.max")}
    # systemd keeps out of it: it lies in no slice of its own.
    assert not re.search(r"\.(slice|scope|service)", str(group))


def test_traffic_survives_the_daemon_and_up_adopts_all(workload: Workload):
    """kill -9, and the next verb finds the same Pods: UIDs, addresses, restarts."""
    before = _facts(workload)
    record = clusters.daemon_of(NAME)
    assert record
    assert record.process.signal(signal.SIGKILL)
    assert record.process.wait(10)
    probe = ["ip", "netns", "exec", f"netemu-{NAME}-worker-1"]
    address = before["web"][1]
    seen = subprocess.run(
        [*probe, "curl", "-sf", f"http://{address}:8080/hostname"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert seen.stdout.strip() == "web"
    workload.netemu("up", NAME)
    assert _facts(workload) == before
    assert workload.answers()


def test_the_zygotes_death_ends_no_container(workload: Workload):
    """kill -9: another one is there soon, serves exec, and knows the same containers."""
    before = _facts(workload)
    written = clusters.ClusterFolders(NAME).run / "zygote.pid"
    record = written.read_text()
    zygote = ProcessId.of(int(record.split()[0]))
    assert zygote
    zygote.signal(signal.SIGKILL)
    assert zygote.wait(10)
    until(lambda: written.read_text() != record, what="another zygote")
    until(workload.answers, what="an answer of the Service, asked through exec")
    assert _facts(workload) == before


def test_down_leaves_the_host_as_it_was(workload: Workload):
    """Links, rules, mounts, groups, processes, sysctls, modules, files."""
    workload.netemu("down", NAME)
    after = host_state(workload.netemu.home, cluster=NAME)
    found = differences(workload.before, after)
    ours = [
        f"{what}: {line}"
        for what, lines in found.items()
        for line in lines
        if not _THE_HOSTS_OWN.match(line)
    ]
    assert ours == []


def _facts(workload: Workload) -> dict[str, tuple[str, str, int]]:
    return {
        name: (
            pod["metadata"]["uid"],
            pod["status"]["podIP"],
            pod["status"]["containerStatuses"][0]["restartCount"],
        )
        for name, pod in workload.pods().items()
        if pod["status"]["phase"] == "Running"
    }
