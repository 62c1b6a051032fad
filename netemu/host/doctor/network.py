"""Who else does networking on this host: engines, firewalls, rules, routes, daemons."""

from __future__ import annotations

import glob
import os
import shutil
import socket
import subprocess
from collections.abc import Iterable

from netemu.core.doctor import sights
from netemu.core.doctor.findings import Observation
from netemu.errors import NetemuError
from netemu.host import underlay
from netemu.host.doctor.limits import number
from netemu.model.settings import POD_CIDR, SERVICE_CIDR

_SERVICES = ("/sys/fs/cgroup/system.slice", "/sys/fs/cgroup/*/system.slice")
_FIREWALLS = {"firewalld": "firewalld", "ufw": "", "nftables": "nftables"}
_ENGINES = {
    "Docker": ("docker", "docker0"),
    "containerd": ("containerd", ""),
    "podman": ("podman", "podman0"),
    "CRI-O": ("crio", ""),
    "kubelet": ("kubelet", "cni0"),
    "k3s": ("k3s", ""),
    "libvirt": ("libvirtd", "virbr0"),
    "LXD": ("lxd", "lxdbr0"),
}
_LINK_DAEMONS = ("NetworkManager", "systemd-networkd", "connman", "dhcpcd")
_UFW = "/etc/ufw/ufw.conf"
_RULE_TABLES = {"filter", "nat", "mangle", "raw", "security"}


def look() -> dict[str, Observation]:
    """Look without touching: no table of the host is read in a way that makes it."""
    links = {name for _, name in socket.if_nameindex()}
    legacy = _legacy_tables()
    return {
        "bridge filtering": _bridge_filtering(links),
        "forwarding": _forwarding(legacy),
        "iptables flavours": _flavours(legacy),
        "firewalls": _told(name for name in _FIREWALLS if _firewall_is_on(name)),
        "container engines": _told(
            name
            for name, (service, link) in _ENGINES.items()
            if _service_runs(service) or (link and link in links)
        ),
        "routes of Pods": _routes_of_pods(),
        "link daemons": _link_daemons(),
    }


def _told(found: Iterable[str]) -> Observation:
    names = list(found)
    return Observation(not names, ", ".join(names) or "none that is known")


def _service_runs(name: str) -> bool:
    return bool(name) and any(glob.glob(f"{folder}/{name}.service") for folder in _SERVICES)


def _firewall_is_on(name: str) -> bool:
    return _ufw_is_on() if name == "ufw" else _service_runs(_FIREWALLS[name])


def _ufw_is_on() -> bool:
    try:
        with open(_UFW, encoding="utf-8", errors="replace") as file:
            return any(line.strip().lower() == "enabled=yes" for line in file)
    except OSError:
        return False


def _bridge_filtering(links: set[str]) -> Observation:
    value = number("net/bridge/bridge-nf-call-iptables")
    if value is None:
        return Observation(True, "off: br_netfilter is not loaded")
    bridges = sorted(name for name in links if os.path.isdir(f"/sys/class/net/{name}/bridge"))
    if not value or not bridges:
        return Observation(True, "on, but no bridge is here" if value else "off")
    return Observation(False, f"on, for {', '.join(bridges)}")


# --- rules -------------------------------------------------------------------


def _legacy_tables() -> dict[str, list[str]] | None:
    """Return the rules of each legacy table that is there; None if we may not look."""
    try:
        with open("/proc/net/ip_tables_names", encoding="ascii") as file:
            names = file.read().split()
    except FileNotFoundError:
        return {}
    except OSError:
        return None
    return {name: _output("iptables-legacy-save", "-t", name) for name in names}


def _nft_tables() -> list[str]:
    """Tables of iptables-nft: `ip filter` and the like, as nft lists them without making any."""
    words = [line.split() for line in _output("nft", "list", "tables")]
    return [w[2] for w in words if w[:2] == ["table", "ip"] and w[2] in _RULE_TABLES]


def _flavours(legacy: dict[str, list[str]] | None) -> Observation:
    if legacy is None or os.geteuid() != 0:
        return Observation(None, "needs root")
    held = [name for name, lines in legacy.items() if _holds_something(lines)]
    return sights.see_flavours(legacy=held, nft=_nft_tables())


def _holds_something(lines: list[str]) -> bool:
    chains = [line.split()[1] for line in lines if line.startswith(":")]
    return any(line.startswith("-A") for line in lines) or any(p != "ACCEPT" for p in chains)


def _forwarding(legacy: dict[str, list[str]] | None) -> Observation:
    if os.geteuid() != 0:
        return Observation(None, "needs root")
    tables = _nft_tables()
    rules = [*(legacy or {}).get("filter", ())]
    if "filter" in tables:
        rules += _output("iptables-nft-save", "-t", "filter")
    dropped = any(line.startswith((":FORWARD DROP", ":FORWARD REJECT")) for line in rules)
    forward, strict = number("net/ipv4/ip_forward"), number("net/ipv4/conf/all/rp_filter")
    policy = "DROP" if dropped else "ACCEPT"
    return Observation(not dropped, f"policy {policy}, ip_forward {forward}, rp_filter {strict}")


def _output(program: str, *words: str) -> list[str]:
    path = shutil.which(program) or shutil.which(program, path="/usr/sbin:/sbin")
    if path is None:
        return []
    done = subprocess.run(
        [path, *words], capture_output=True, text=True, errors="replace", check=False, timeout=10
    )
    return done.stdout.splitlines() if done.returncode == 0 else []


# --- routes and links --------------------------------------------------------


def _routes_of_pods() -> Observation:
    ranges = [POD_CIDR, SERVICE_CIDR]
    try:
        return sights.see_pod_ranges(underlay.taken_networks(), ranges)
    except NetemuError as error:
        return Observation(None, str(error))


def _link_daemons() -> Observation:
    there = [name for name in _LINK_DAEMONS if _service_runs(name)]
    catch_all = [path for path in glob.glob("/etc/systemd/network/*.network") if _takes_all(path)]
    if catch_all:
        return Observation(False, f"{', '.join(catch_all)} matches every link")
    return Observation(True, ", ".join(there) or "none that is known")


def _takes_all(path: str) -> bool:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return any(line.replace(" ", "").strip() in ("Name=*", "Name=*.*") for line in file)
    except OSError:
        return False
