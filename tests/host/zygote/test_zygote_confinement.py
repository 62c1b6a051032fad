"""Escapes: what root in a container tries, and that the host does not notice.

Each attempt runs as root with the default capabilities. Each must fail by itself,
and what it is after must be unchanged on the host.
"""

from __future__ import annotations

import glob
import os
import re
from pathlib import Path

import pytest
from zygote_pods import CLUSTER, DEFAULT_CAPABILITIES, eventually

pytestmark = pytest.mark.root

PERL_FOLDER_ESCAPE = """
opendir(my $d, "/"); mkdir "/tmp/x"; chroot "/tmp/x" or die "chroot: $!";
chdir $d; chdir ".." for 1..50; chroot "."; open(my $f, "<", "%s") or die "open: $!"; print <$f>;
"""


@pytest.fixture
async def cell(pods):
    await pods.start("sleep", "300")
    return pods


def _read(path: str) -> str:
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()


@pytest.mark.parametrize(
    "path",
    [
        "/proc/sys/kernel/core_pattern",
        "/proc/sys/vm/overcommit_ratio",
        "/proc/sys/kernel/panic",
        "/proc/sys/net/core/somaxconn",
        "/proc/sys/kernel/modprobe",
        "/proc/sysrq-trigger",
        "/sys/kernel/uevent_helper",
        "/sys/kernel/profiling",
        "/proc/irq/default_smp_affinity",
    ],
)
async def test_the_kernels_switches_cannot_be_written(cell, path):
    """Sysctls, sysrq and sysfs are the host's."""
    code, said = await cell.shell(f"echo 1 > {path}")
    assert code != 0
    assert re.search("Read-only file system|Directory nonexistent|Permission denied", said)


async def test_nothing_in_proc_and_sys_is_writable(cell):
    """Whatever else this kernel offers there: root can open none of it for writing."""
    script = r"""
        find /proc /sys -xdev \( -path '/proc/[0-9]*' -o -path '/proc/self*' -o -path '/proc/thread-self*' \
            -o -path /proc/net \) -prune -o -type f -perm /222 -print 2>/dev/null |
        while read -r f; do
            [ -f "$f" ] && ( exec 3<>"$f" ) 2>/dev/null && echo "$f"
        done
        true
    """
    _, writable = await cell.shell(script)
    assert writable == ""


@pytest.mark.parametrize(
    "attempt",
    [
        "mount -o remount,rw /proc/sys",
        "mount -o remount,rw /sys",
        "mount -t proc proc /mnt",
        "mount -t tmpfs x /mnt",
        "umount /proc/sys",
        "mount --bind / /mnt",
        "mount -t cgroup -o memory x /mnt",
        "mount -t cgroup2 x /mnt",
        "unshare --mount true",
        "unshare --pid --fork true",
        "unshare --map-root-user --mount sh -c 'mount -t proc proc /proc && echo 1 > /proc/sys/kernel/panic'",
        "unshare --map-root-user --mount sh -c 'mount -o remount,rw,bind /proc/sys'",
        "unshare --map-root-user --mount sh -c 'umount /proc/sys'",
        "nsenter --target 1 --mount --net --uts true",
        "date --set 2030-01-01",
        "hostname evil",
        "sysctl -w kernel.panic=1",
        "dmesg --clear",
        "ip link add dummy9 type dummy",
        "iptables -A INPUT -j DROP",
        "nice -n -20 true && chrt --rr 99 true",
        "insmod /tmp/x.ko",
        "mknod /tmp/disk b 254 0",
        "mknod /dev/disk b 8 0",
        "mknod /dev/shm/kmem c 1 2",
    ],
)
async def test_powers_that_root_in_a_pod_has_not(cell, attempt):
    """Mounts, namespaces, the clock, modules, nodes: refused."""
    code, said = await cell.shell(f"touch /tmp/x.ko; {attempt}")
    assert code != 0, said
    assert "not found" not in said or "insmod" in attempt


@pytest.mark.parametrize(
    "path", ["/etc/shadow", "/etc/gshadow", "/etc/shadow-", "/etc/ssh/ssh_host_rsa_key"]
)
async def test_secrets_are_hidden(cell, path):
    """Password hashes and host keys are not there."""
    code, said = await cell.shell(f"cat {path}")
    assert code != 0
    assert "No such file" in said


@pytest.mark.parametrize("folder", ["/root", "/home", "/var/lib/netemu", "/boot", "/var/log"])
async def test_folders_of_the_host_are_empty(cell, folder):
    """Homes, keys, state and logs are not there."""
    _, said = await cell.shell(f"ls -A {folder} 2>/dev/null")
    assert said == ""


async def test_the_sockets_of_netemu_are_hidden(cell):
    """/run is the container's own: no zygote, no daemon, no D-Bus, no other socket."""
    _, said = await cell.shell("find / -xdev -type s 2>/dev/null; ls /run")
    assert sorted(said.split()) == ["lock", "shm"]


async def test_a_written_file_stays_in_the_container(cell):
    """Writing host files writes copies."""
    before = _read("/etc/passwd"), os.stat("/etc/passwd").st_mtime_ns
    code, _ = await cell.shell("echo evil::0:0::/:/bin/sh >> /etc/passwd; chmod 777 /etc /usr/bin")
    assert code == 0
    assert (_read("/etc/passwd"), os.stat("/etc/passwd").st_mtime_ns) == before
    assert os.stat("/etc").st_mode & 0o022 == 0


async def test_the_devices_of_the_host_cannot_be_spoilt(cell):
    """chmod of /dev/null, also through an open descriptor, reaches only its own node."""
    before = os.stat("/dev/null").st_mode
    await cell.shell("chmod 000 /dev/null /dev/zero; chmod 000 /proc/1/fd/0")
    assert os.stat("/dev/null").st_mode == before


async def test_processes_of_the_host_are_out_of_reach(cell):
    """It sees its own alone, and killing all that it can reach ends nothing of the host's."""
    _, said = await cell.shell("ls -d /proc/[0-9]* | wc -l")
    assert int(said) < 6
    before = await cell.runtime.pid(), [s.pid for s in await cell.runtime.sandboxes() if s.alive]
    await cell.shell("kill -9 -1")
    assert (await cell.shell("true"))[0] == 0
    after = await cell.runtime.pid(), [s.pid for s in await cell.runtime.sandboxes() if s.alive]
    assert before == after


async def test_other_roots_are_out_of_reach(cell):
    """/proc/PID/root and cwd of all it sees are its own root."""
    script = "for p in /proc/[0-9]*; do cat $p/root/etc/shadow $p/cwd/etc/shadow; done 2>/dev/null"
    _, said = await cell.shell(script)
    assert said == ""


async def test_chroot_with_an_open_folder_does_not_lead_out(cell):
    """The classic escape ends at the container's own root: there is nothing above it."""
    secret = Path("/var/lib/netemu/secret")
    secret.write_text("the host's")
    code, said = await cell.runtime.exec_capture(
        "web-c", ["perl", "-e", PERL_FOLDER_ESCAPE % secret], timeout_s=5
    )
    secret.unlink()
    assert code != 0
    assert b"open: No such file" in said
    assert b"the host's" not in said


async def test_no_descriptor_leads_out(cell):
    """A container starts with its three streams and nothing else, however it started."""
    await cell.serve("--port", "80/tcp", name="function")
    for container in await cell.runtime.containers():
        links = [os.readlink(path) for path in glob.glob(f"/proc/{container.pid}/fd/*")]
        allowed = re.compile(
            r"/dev/null|.*/std(out|err)|socket:.*|pipe:.*|anon_inode:\[eventpoll\]"
        )
        assert [link for link in links if not allowed.fullmatch(link)] == []
    _, said = await cell.shell("ls -l /proc/self/fd | grep -v pipe:")
    assert "/work" not in said
    assert len(said.splitlines()) <= 4


async def test_a_fork_bomb_ends_at_the_limit(cell):
    """The number of processes is bounded by the container's cgroup."""
    _, limit = await cell.shell("cat /sys/fs/cgroup/pids.max 2>/dev/null")
    (path,) = [
        p
        for p in glob.glob(f"/sys/fs/cgroup/**/netemu-{CLUSTER}.*/**/c/pids.max", recursive=True)
        if "podweb" in p
    ]
    assert _read(path).strip() == "4096"
    assert limit.strip() in ("", "4096")


async def test_cgroups_cannot_be_changed(cell):
    """No release_agent, no limit of its own to lift: there is no writable cgroup."""
    _, said = await cell.shell(
        "find / -xdev -name release_agent; find /sys -name 'cgroup.procs' -writable"
    )
    assert said == ""


async def test_entrypoints_are_as_confined(cell):
    """A function of the zygote's memory has no more than a program has."""
    state = await cell.serve(name="function")
    status = dict(
        line.split(":\t", 1)
        for line in _read(f"/proc/{state.pid}/status").splitlines()
        if ":\t" in line
    )
    other = next(s for s in await cell.runtime.containers() if s.name == "c")
    its = dict(
        line.split(":\t", 1)
        for line in _read(f"/proc/{other.pid}/status").splitlines()
        if ":\t" in line
    )
    for field in ("CapEff", "CapPrm", "CapBnd", "CapInh", "CapAmb", "Uid", "Groups"):
        assert status[field] == its[field]
    assert int(status["CapEff"], 16) & (1 << 21 | 1 << 27 | 1 << 12 | 1 << 19) == 0


async def test_a_read_only_volume_cannot_be_remounted(pods):
    """read-only holds against root."""
    from netemu.model.runtime import Mount

    (pods.folder / "v").mkdir()
    mounts = [Mount(source=str(pods.folder / "v"), target="/v", read_only=True)]
    await pods.start("sleep", "60", mounts=mounts)
    code, _ = await pods.shell("mount -o remount,rw,bind /v || touch /v/x")
    assert code != 0
    assert list((pods.folder / "v").iterdir()) == []


_PEEP = """
import os
print("watching", flush=True)
while True:
    for pid in os.listdir("/proc"):
        try:
            if pid.isdigit() and os.listdir(f"/proc/{pid}/root" + %r):
                print("the host's files", flush=True)
        except OSError:
            pass
"""


async def test_an_exec_shows_nothing_of_the_host_to_a_debugger(pods):
    """With CAP_SYS_PTRACE one may look into every process of the container: all are harmless."""
    script = _PEEP % str(pods.run_dir / "records")
    capabilities = [*DEFAULT_CAPABILITIES, "SYS_PTRACE"]
    await pods.start("python3", "-c", script, capabilities=capabilities)
    await eventually(lambda: pods.log("web-c"))
    for _ in range(10):
        assert await pods.shell("echo hidden") == (0, "hidden\n")
    assert pods.log("web-c") == "watching\n"


async def test_the_default_filter_refuses_what_runtimes_refuse(pods):
    """RuntimeDefault: no namespaces, no keys; exec, forks and threads as ever."""
    script = "unshare -U true; echo $?; python3 -c '{}'; grep Seccomp: /proc/self/status"
    attempts = (
        "import ctypes, threading; call = ctypes.CDLL(None, use_errno=True).syscall;"
        " print(call(250, 0, 0), ctypes.get_errno());"
        " t = threading.Thread(target=print, args=[1 + 1]); t.start(); t.join()"
    )
    script = script.format(attempts)
    await pods.start("sleep", "60", filters_system_calls=True)
    _, said = await pods.shell(script)
    lines = said.splitlines()
    assert "Operation not permitted" in lines[0]
    assert lines[2:] == ["-1 1", "2", "Seccomp:\t2"]
    await pods.start("sleep", "60", name="free")
    _, said = await pods.shell("grep Seccomp: /proc/self/status", name="free")
    assert said == "Seccomp:\t0\n"
