"""Cgroup arithmetic and parsing, without touching any."""

from __future__ import annotations

import pytest

from netemu.host.zygote.cgroup import Cgroups, cpu_weight, observe_hierarchies
from netemu.host.zygote.layers import shown_points

HYBRID = """\
30 25 0:26 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755
31 30 0:27 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct
32 30 0:28 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
33 30 0:29 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids
34 30 0:30 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd
35 30 0:31 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw
36 30 0:28 / /mnt/again rw - cgroup cgroup rw,memory
"""


@pytest.mark.parametrize(
    ("shares", "weight"), [(2, 1), (102, 17), (512, 59), (1024, 100), (262_144, 10_000), (0, 1)]
)
def test_weights_are_those_of_runc(shares, weight):
    """100m, 500m and 1 CPU come to 17, 59 and 100 (control-plane-and-node.md, 3.5)."""
    assert cpu_weight(shares) == weight


def test_a_hybrid_host_uses_version_1(tmp_path):
    """Each controller counts once, where it is mounted first."""
    (tmp_path / "mountinfo").write_text(HYBRID)
    found = observe_hierarchies(str(tmp_path / "mountinfo"))
    assert {h.root.rsplit("/", 1)[1]: set(h.controllers) for h in found} == {
        "cpu,cpuacct": {"cpu"},
        "memory": {"memory"},
        "pids": {"pids"},
    }


def test_a_version_2_host_uses_version_2(tmp_path):
    """Controllers are those that the root offers."""
    root = tmp_path / "cgroup"
    root.mkdir()
    (root / "cgroup.controllers").write_text("cpuset cpu io memory hugetlb pids\n")
    (tmp_path / "mountinfo").write_text(f"30 25 0:26 / {root} rw - cgroup2 cgroup2 rw\n")
    (found,) = observe_hierarchies(str(tmp_path / "mountinfo"))
    assert (found.version, found.controllers) == (2, {"cpu", "memory", "pids"})


def test_version_2_files_are_written(tmp_path):
    """Controllers are handed down on the way, limits set at the end of it."""
    from netemu.host.zygote.cgroup import Hierarchy
    from netemu.model.runtime import Resources

    root = tmp_path / "cgroup"
    group = root / "netemu-x" / "kubepods" / "pod1" / "c"
    for folder in (root, *reversed([group, *group.parents[:3]])):
        folder.mkdir(exist_ok=True)
        for name in ("cgroup.procs", "cpu.weight", "cpu.max", "pids.max"):
            (folder / name).touch()
        for name in ("max", "swap.max", "oom.group"):
            (folder / f"memory.{name}").touch()
    groups = Cgroups("x", (Hierarchy(str(root), 2, frozenset({"cpu", "memory", "pids"})),))
    limits = Resources(cpu_shares=1024, cpu_quota_us=50_000, memory_bytes=1 << 20)
    groups.enter("kubepods/pod1/c", limits)
    written = {path.name: path.read_text() for path in group.iterdir()}
    assert written == {
        "cgroup.procs": "0",
        "cpu.weight": "100",
        "cpu.max": "50000 100000",
        "memory.max": "1048576",
        "memory.oom.group": "1",
        "memory.swap.max": "0",
        "pids.max": "4096",
    }


def test_filesystems_of_the_host_are_shown_but_for_hidden_ones():
    """A /usr of its own is, /home, /run, tmpfs and /mnt are not."""
    lines = [
        "1 0 8:1 / / rw - ext4 /dev/sda1 rw",
        "2 1 8:2 / /usr ro shared:1 - ext4 /dev/sda2 ro",
        "3 1 8:3 / /home rw - xfs /dev/sda3 rw",
        "4 1 0:5 / /run rw - tmpfs tmpfs rw",
        "5 1 8:4 / /mnt/disk rw - ext4 /dev/sda4 rw",
        "6 1 8:5 / /srv/my\\040data rw - btrfs /dev/sda5 rw",
        "7 1 0:6 / /proc rw - proc proc rw",
    ]
    assert shown_points(lines) == ["/", "/srv/my data", "/usr"]
