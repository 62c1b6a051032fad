"""The doctor on this very host, and on ones that lack something."""

import json
import os
import subprocess
import sys
import time
from functools import partial

import pytest

from netemu.core.doctor.catalogue import CATALOGUE
from netemu.core.doctor.findings import Observation
from netemu.errors import MissingFacility
from netemu.host.doctor import kernel, throwaway
from netemu.host.doctor.requirement import require

pytestmark = pytest.mark.root

AS_NOBODY = """
import os, sys
from netemu.cli import doctor
from netemu.host.doctor.examination import examine
from netemu.host.zygote import syscalls
examine()  # All is imported by now: nobody else may read this checkout.
os.setgroups([]); os.setgid(65534); os.setuid(65534)
syscalls.prctl(syscalls.PR_SET_DUMPABLE, 1)
os.environ["PATH"] = "/usr/bin:/bin"
sys.exit(doctor.COMMAND.main(["--output=json"], standalone_mode=False))
"""


def netemu(*words, before="true", path=None):
    """Run the command in a mount namespace of its own, after some shell commands."""
    script = f'{before}; exec "$0" -m netemu "$@"'
    argv = ["unshare", "--mount", "sh", "-c", script, sys.executable, *words]
    env = {**os.environ, **({"PATH": path} if path else {})}
    return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=30, env=env)


def hide(program):
    """Shell commands after which a program is there no more."""
    return f'mount --bind /dev/null "$(readlink -f "$(command -v {program})")"'


def verdicts(done):
    return {check["name"]: check["verdict"] for check in json.loads(done.stdout)["checks"]}


_EMPTY_FOLDERS_OF_OURS = ("/run/netemu",)
"""What other tests may have left empty, and whoever comes next may tidy away."""


def host_state():
    """What a doctor must not touch: links, namespaces, netfilter tables, netemu's folders."""
    with open("/proc/self/mountinfo", encoding="utf-8") as file:
        mounts = len(file.readlines())
    tables = []
    for name in ("/proc/net/ip_tables_names", "/proc/net/ip_tables_matches"):
        with open(name, encoding="ascii") as file:
            tables.append(file.read() if "names" in name else "")
    links = sorted(os.listdir("/sys/class/net"))
    folders = [
        sorted(name for name in os.listdir(path) if f"{path}/{name}" not in _EMPTY_FOLDERS_OF_OURS)
        for path in ("/run", "/run/netns", "/var/lib/netemu", "/tmp")
    ]
    return links, mounts, tables, folders[:3], [n for n in folders[3] if n in ("mask", "upper")]


def test_this_host_has_all_that_is_needed():
    """Where the tests run, clusters can: exit code 0, quickly, and the host is as it was."""
    before = host_state()
    done = netemu("doctor", "-o", "json")
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    assert found["ready"]
    assert [check["name"] for check in found["checks"]] == [c.name for c in CATALOGUE]
    assert "unknown" not in verdicts(done).values()
    assert host_state() == before


def test_the_table_says_what_is_absent_and_why():
    """A person reads one line a check, and below it what to do."""
    done = netemu("doctor", before=hide("tcpdump"))
    assert done.returncode == 0
    assert " – tcpdump            not installed\n" in done.stdout
    assert "you watch packets with it. Install the package tcpdump." in done.stdout
    assert done.stdout.endswith("all that netemu needs is there\n")


def test_a_host_without_iptables_cannot_run_clusters():
    """`doctor` and `up` end with 3 and the package's name, and `up` leaves nothing."""
    done = netemu("doctor", "-o", "json", before=hide("iptables"))
    assert done.returncode == 3
    assert verdicts(done)["iptables"] == "missing"
    before = host_state()
    done = netemu("up", "--no-context", before=hide("iptables"))
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.startswith("netemu: iptables is missing: ")
    assert "Install the package iptables." in done.stderr
    assert host_state() == before


def test_up_stops_before_it_makes_anything():
    """Without br_netfilter: what, why, how to get it; exit 3; no folder, no link, no process."""
    before = host_state()
    no_modules = f"command -v modprobe >/dev/null && {hide('modprobe')}"
    done = netemu("up", "--no-context", before=f"mount -t tmpfs none /proc/sys/net; {no_modules}")
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.startswith("netemu: br_netfilter is missing: Services do not work")
    assert host_state() == before


def test_root_that_may_nothing_is_told_so():
    """In a container without privileges root makes no namespaces: that is the sentence."""
    argv = ["setpriv", "--bounding-set", "-sys_admin", sys.executable, "-m", "netemu"]
    options = {"capture_output": True, "text": True, "timeout": 30}
    done = subprocess.run([*argv, "up", "--no-context"], check=False, **options)
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.startswith(
        "netemu: namespace support is missing: nodes, Pods and containers are"
    )
    assert "Operation not permitted, even to root" in done.stderr
    assert subprocess.run([*argv, "doctor"], check=False, **options).returncode == 3


def test_programs_outside_of_path_are_found():
    """Without /usr/sbin in PATH all is found as before, and that is told."""
    done = netemu("doctor", "-o", "json", path="/usr/bin:/bin")
    assert done.returncode == 0
    assert verdicts(done)["PATH"] == "note"
    assert verdicts(done)["iptables"] == verdicts(done)["iptables-nft"] == "ok"


def test_without_root_it_goes_as_far_as_it_can():
    """An ordinary user gets answers, not a refusal, and is told what root would add."""
    argv = [sys.executable, "-c", AS_NOBODY]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=30)
    assert (done.returncode, done.stderr) == (0, "")
    found = verdicts(done)
    assert found["root"] == found["PATH"] == "note"
    assert found["kernel"] == found["iptables"] == found["addresses"] == "ok"
    assert found["veth"] in ("ok", "unknown")  # As the host allows user namespaces.
    assert "missing" not in found.values()


def test_leftovers_of_crashed_clusters_are_told():
    """A namespace, a link and a folder that bear our name are seen, each for what it is."""
    make = (
        "ip netns add netemu-gone-worker-1; ip link add netemu-bcdfgh type bridge;"
        " mkdir -p /var/lib/netemu/old"
    )
    try:
        done = netemu("doctor", "-o", "json", before=make)
    finally:
        subprocess.run(
            "ip netns del netemu-gone-worker-1; ip link del netemu-bcdfgh; rmdir /var/lib/netemu/old"
            "; umount /run/netns 2>/dev/null || true",
            shell=True,
            check=False,
        )
    details = {check["name"]: check["detail"] for check in json.loads(done.stdout)["checks"]}
    assert "network namespace netemu-gone-worker-1" in details["leftovers"]
    assert "link netemu-bcdfgh" in details["leftovers"]
    assert "old (a trace of one)" in details["clusters"]


# --- the parts ---------------------------------------------------------------


def test_unknown_kinds_of_links_are_the_kernels_lack():
    """What rtnetlink does not know is not there, in the kernel's own words."""
    found = throwaway.run({"x": partial(kernel._make_link, "nosuchkind", b"")})
    assert found == {"x": Observation(False, "Unknown device type")}


def test_a_probe_that_dies_is_unknown():
    """A crash of the child is no crash of ours."""
    found = throwaway.run({"x": lambda _: os._exit(1)})
    assert found["x"].fine is None


def test_a_kind_of_rule_that_is_refused_is_named(monkeypatch):
    """Among good rules the one that the kernel refuses is found and quoted."""
    broken = ("-m mark --mark 1 -j RETURN", "-m nosuchmatch -j RETURN")
    monkeypatch.setattr(kernel, "_NAT_RULES", broken)
    for flavour in ("nft", "legacy"):
        found = throwaway.run({"x": partial(kernel._try_rules, flavour)})["x"]
        assert found == Observation(False, "the kernel refuses `-m nosuchmatch -j RETURN`")


def test_bridge_filtering_is_looked_for_without_loading_it(tmp_path, monkeypatch):
    """Built in, a module, or neither: told apart by looking only."""
    assert kernel.look_for_bridge_filter(str(tmp_path)).fine
    modprobe = tmp_path / "modprobe"
    monkeypatch.setenv("PATH", str(tmp_path))
    for code in (0, 1):
        modprobe.write_text(f"#!/bin/sh\nexit {code}\n")
        modprobe.chmod(0o755)
        seen = kernel.look_for_bridge_filter(str(tmp_path / "not-there"))
        assert seen.fine is (code == 0)


def test_up_asks_for_vxlan_only_where_it_is_the_overlay(monkeypatch):
    """A kernel without VXLAN runs clusters with another overlay."""
    lacking = partial(kernel._make_link, "nosuchkind", b"")
    monkeypatch.setitem(kernel.LINKS, "vxlan", lacking)
    require("host-gw")
    with pytest.raises(MissingFacility, match="vxlan is missing: Pods of different nodes"):
        require("vxlan")


def test_the_check_before_up_is_a_blink():
    """It is made each time: of several runs the quickest is far below what anybody notices."""
    took = []
    for _ in range(5):
        began = time.perf_counter()
        require("vxlan")
        took.append(time.perf_counter() - began)
    assert min(took) < 0.05


@pytest.mark.parametrize(("point", "fine"), [("/", True), ("/proc", False)])
def test_a_mere_chroot_is_found_out(tmp_path, *, point: str, fine: bool) -> None:
    """Its `/` is a folder like any other: exec would land in the real root."""
    mounts = tmp_path / "mountinfo"
    mounts.write_text(f"31 23 0:28 /x {point} rw,relatime - ext4 /dev/vda rw\n")
    assert kernel.look_at_root(str(mounts)).fine is fine
