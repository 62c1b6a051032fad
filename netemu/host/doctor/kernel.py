"""What a kernel is asked for, each by doing it once in a namespace that is thrown away."""

from __future__ import annotations

import os
import shutil
import socket
import struct
import subprocess
from functools import partial
from typing import Final

from netemu.core.doctor.findings import Observation
from netemu.host import bridge_filter
from netemu.host.doctor.throwaway import Probe
from netemu.host.netlink import NLM_F_ACK, NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL, Netlink, Request
from netemu.host.zygote import syscalls

_RTM_NEWLINK, _RTM_NEWQDISC = 16, 36
_IFNAME, _LINKINFO, _INFO_KIND, _INFO_DATA = 3, 18, 1, 2
_VXLAN_ID, _VXLAN_PORT, _VXLAN_LEARNING = 1, 15, 7
_TCA_KIND, _TCA_OPTIONS, _TC_ROOT = 1, 2, 0xFFFFFFFF
_LOOPBACK = 1
_NETLINK_NETFILTER, _NETLINK_GENERIC = 12, 16
_CONNTRACK_GET: Final = 0x101
_GENL_CTRL, _CTRL_GETFAMILY, _CTRL_FAMILY_NAME = 16, 3, 2
_BRIDGE_FILTER = "/proc/sys/net/bridge"

_NAT_RULES = (
    "-m comment --comment netemu -j MARK --or-mark 0x4000",
    "-m addrtype --dst-type LOCAL -j RETURN",
    "-m statistic --mode random --probability 0.5 -j RETURN",
    "-m recent --name netemu --rcheck --seconds 10 --reap -j RETURN",
    "-m mark --mark 0x4000/0x4000 -j RETURN",
    "-p tcp -m tcp --dport 80 -j DNAT --to-destination 127.0.0.1:80",
    "-j MASQUERADE",
)
_FILTER_RULES = (
    "-m conntrack --ctstate NEW -j RETURN",
    "-j REJECT --reject-with icmp-port-unreachable",
)


def _attribute(kind: int, payload: bytes) -> bytes:
    data = struct.pack("=HH", 4 + len(payload), kind) + payload
    return data.ljust((len(data) + 3) & ~3, b"\0")


def _request(doing: str, type: int, flags: int, body: bytes) -> Request:
    header = struct.pack("=IHHII", 16 + len(body), type, 1 | flags, 0, 0)
    return Request(doing, header + body)


def _make_link(kind: str, data: bytes, _scratch: str) -> Observation:
    info = _attribute(_INFO_KIND, kind.encode())
    if data:
        info += _attribute(_INFO_DATA, data)
    name = _attribute(_IFNAME, f"try-{kind}".encode() + b"\0")
    body = bytes(16) + name + _attribute(_LINKINFO, info)
    flags = NLM_F_CREATE | NLM_F_EXCL
    netlink = Netlink.here(name="try")
    try:
        netlink.send([_request(f"ip link add type {kind}", _RTM_NEWLINK, flags, body)])
    finally:
        netlink.close()
    return Observation(True)


def _try_netem(_scratch: str) -> Observation:
    options = struct.pack("=6I", 0, 1000, 0, 0, 0, 0)
    body = struct.pack("=BxHiIII", 0, 0, _LOOPBACK, 0, _TC_ROOT, 0)
    body += _attribute(_TCA_KIND, b"netem\0") + _attribute(_TCA_OPTIONS, options)
    netlink = Netlink.here(name="try")
    try:
        flags = NLM_F_CREATE | NLM_F_EXCL
        netlink.send([_request("tc qdisc add dev lo root netem", _RTM_NEWQDISC, flags, body)])
    finally:
        netlink.close()
    return Observation(True)


def _try_ipvs(_scratch: str) -> Observation:
    """Ask for the netlink family by name: asking loads the module."""
    body = struct.pack("=BBH", _CTRL_GETFAMILY, 1, 0) + _attribute(_CTRL_FAMILY_NAME, b"IPVS\0")
    return _ask(_NETLINK_GENERIC, _request("finding ipvs", _GENL_CTRL, NLM_F_ACK, body))


def _try_conntrack(_scratch: str) -> Observation:
    body = struct.pack("=BBH", socket.AF_INET, 0, 0)
    return _ask(_NETLINK_NETFILTER, _request("listing flows", _CONNTRACK_GET, NLM_F_DUMP, body))


def _ask(protocol: int, request: Request) -> Observation:
    netlink = Netlink(socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, protocol), name="try")
    try:
        list(netlink.dump(request))
    finally:
        netlink.close()
    return Observation(True)


def _try_overlayfs(scratch: str) -> Observation:
    """Mount what every container gets: the host's root behind a mask, written to a tmpfs."""
    folders = {name: f"{scratch}/{name}" for name in ("mask", "upper", "work", "root", "lower")}
    for folder in folders.values():
        os.mkdir(folder)
    lower, more = "/", ""
    if _is_initial_user_namespace():
        os.setxattr(folders["mask"], "trusted.overlay.opaque", b"y")
    else:
        # In a user namespace what is mounted below `/` may not be uncovered by a copy of it.
        lower, more = folders["lower"], ",userxattr"
    lowers = f"{folders['mask']}:{lower}"
    data = f"lowerdir={lowers},upperdir={folders['upper']},workdir={folders['work']}{more}"
    syscalls.mount("overlay", folders["root"], "overlay", syscalls.MS_NODEV, data)
    os.mkdir(f"{folders['root']}/written")
    syscalls.unmount(folders["root"])
    return Observation(True)


def _is_initial_user_namespace() -> bool:
    with open("/proc/self/uid_map", encoding="ascii") as file:
        return file.read().split()[2] == "4294967295"


def _try_namespaces(_scratch: str) -> Observation:
    """The last to be tried: a process that was to have PID namespaces starts no more programs."""
    kinds = {
        "UTS": syscalls.CLONE_NEWUTS,
        "IPC": syscalls.CLONE_NEWIPC,
        "PID": syscalls.CLONE_NEWPID,
    }
    lacking = [name for name, flag in kinds.items() if not _can_unshare(flag)]
    if lacking:
        return Observation(False, f"the kernel has no {', '.join(lacking)} namespaces")
    return Observation(True, "network, mount, UTS, IPC, PID")


def _can_unshare(flag: int) -> bool:
    try:
        syscalls.unshare(flag)
    except OSError:
        return False
    return True


def look_at_root(mountinfo: str = "/proc/self/mountinfo") -> Observation:
    """Look whether `/` is a mount: in a chroot it is any folder, and cannot be pivoted from."""
    try:
        with open(mountinfo, encoding="utf-8", errors="surrogateescape") as file:
            points = {line.split(" ")[4] for line in file}
    except OSError as error:
        return Observation(False, f"{mountinfo}: {error.strerror}")
    return Observation(True) if "/" in points else Observation(False, "/ is not a mount: a chroot")


def look_for_bridge_filter(settings: str = _BRIDGE_FILTER) -> Observation:
    """Look without loading: the module turns itself on for all bridges of the host."""
    if os.path.isdir(settings):
        if not os.path.isdir("/sys/module/br_netfilter/holders"):
            return Observation(True, "built in")
        by_us = bridge_filter.is_ours()
        return Observation(True, f"a module, loaded by {'netemu' if by_us else 'somebody else'}")
    program = shutil.which("modprobe") or shutil.which("modprobe", path="/usr/sbin:/sbin")
    if (
        program
        and subprocess.run([program, "-n", "-q", "br_netfilter"], check=False).returncode == 0
    ):
        return Observation(True, "a module; `netemu up` loads it, and the last `down` unloads it")
    return Observation(False, "neither built in nor a module")


# --- rules -------------------------------------------------------------------


def _try_rules(flavour: str, scratch: str) -> Observation:
    """Load a rule of each kind that kube-proxy makes; if that fails, find out which."""
    name = f"iptables-{flavour}-restore"
    program = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")
    if program is None:
        return Observation(False, f"{name} is not installed")
    every = [("nat", rule) for rule in _NAT_RULES] + [("filter", rule) for rule in _FILTER_RULES]
    answer = _restore(program, every, scratch)
    if answer is None:
        return Observation(True, "takes every kind of rule")
    refused = [rule for rule in every if _restore(program, [rule], scratch) is not None]
    if not refused or len(refused) == len(every):
        unsure = "ermission" in answer
        return Observation(None if unsure else False, "needs root" if unsure else answer)
    return Observation(False, f"the kernel refuses `{'`, `'.join(rule for _, rule in refused)}`")


def _restore(program: str, rules: list[tuple[str, str]], scratch: str) -> str | None:
    """Load the rules; return the program's complaint, None if there is none."""
    lines: list[str] = []
    for table in dict.fromkeys(table for table, _ in rules):
        lines += [f"*{table}", ":NETEMU-TRY - [0:0]"]
        lines += [f"-A NETEMU-TRY {rule}" for in_table, rule in rules if in_table == table]
        lines.append("COMMIT")
    done = subprocess.run(
        [program, "--noflush"],
        input="\n".join([*lines, ""]),
        env={**os.environ, "XTABLES_LOCKFILE": f"{scratch}/lock", "LC_ALL": "C"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == 0:
        return None
    return (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[0]


def _vxlan_data() -> bytes:
    return (
        _attribute(_VXLAN_ID, struct.pack("=I", 1))
        + _attribute(_VXLAN_PORT, struct.pack("!H", 8472))
        + _attribute(_VXLAN_LEARNING, b"\0")
    )


LINKS: dict[str, Probe] = {
    "veth": partial(_make_link, "veth", b""),
    "bridge": partial(_make_link, "bridge", b""),
    "vxlan": partial(_make_link, "vxlan", _vxlan_data()),
    "overlayfs": _try_overlayfs,
}
"""Quick enough for every `netemu up`."""

RULES: dict[str, Probe] = {
    "iptables-nft": partial(_try_rules, "nft"),
    "iptables-legacy": partial(_try_rules, "legacy"),
    "conntrack": _try_conntrack,
    "dummy": partial(_make_link, "dummy", b""),
    "wireguard": partial(_make_link, "wireguard", b""),
    "netem": _try_netem,
    "ipvs": _try_ipvs,
}

LAST: dict[str, Probe] = {"namespace support": _try_namespaces}
