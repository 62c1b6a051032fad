"""What else is on this host: addresses, clusters and what they left, limits, firewalls."""

from __future__ import annotations

import glob
import os
import resource
import socket
from collections.abc import Iterator

from netemu.core import doctor, names
from netemu.core.doctor import Observation
from netemu.errors import NetemuError
from netemu.host import clusters, netns, underlay
from netemu.host.zygote.cgroup import observe_hierarchies

_FIREWALLS = {"Docker": "docker.service", "firewalld": "firewalld.service"}
_SERVICES = ("/sys/fs/cgroup/system.slice", "/sys/fs/cgroup/*/system.slice")
_UFW = "/etc/ufw/ufw.conf"
_KVM = "/dev/kvm"


def look() -> dict[str, Observation]:
    """Look at everything; nothing here needs root, though some tells more to it."""
    root = os.geteuid() == 0
    hierarchies = [(h.version, h.controllers) for h in observe_hierarchies()]
    _, most_files = resource.getrlimit(resource.RLIMIT_NOFILE)
    return {
        "root": Observation(root, "" if root else "this is an ordinary user"),
        "addresses": _addresses(),
        "cgroups": doctor.see_cgroups(hierarchies),
        "open files": doctor.see_open_files(most_files),
        "PATH": doctor.see_path(os.environ.get("PATH", "")),
        "clusters": doctor.see_clusters({name: _state(name) for name in clusters.known()}),
        "leftovers": _leftovers(),
        "firewalls": _firewalls(),
        "kvm": _kvm(),
    }


def _addresses() -> Observation:
    ours = []
    for name in clusters.known():
        try:
            ours.append(clusters.load_settings(name).underlay)
        except (NetemuError, OSError):
            continue  # A cluster that was never whole, or that only root may look at.
    try:
        return doctor.see_addresses(underlay.taken_networks(), ours)
    except NetemuError as error:
        return Observation(None, str(error))


def _state(name: str) -> str:
    try:
        record = clusters.daemon_of(name)
        if record is not None:
            return "running" if record.ready else "starting"
        return "stopped" if clusters.exists(name) else "a trace of one"
    except PermissionError:
        return "only root may look"


def _leftovers() -> Observation:
    """Find what bears netemu's name and belongs to no cluster that has a folder."""
    known = clusters.known()
    prefixes = tuple(names.netns_prefix(name) for name in known)
    links = {names.host_link(name) for name in known}
    groups = {f"{names.PREFIX}-{name}" for name in known}
    found = [
        *(
            f"network namespace {n}"
            for n in netns.published(f"{names.PREFIX}-")
            if not n.startswith(prefixes)
        ),
        *(f"link {n}" for n in _links() if n not in links),
        *(f"cgroup {n}" for n in _groups() if n not in groups),
    ]
    return Observation(not found, ", ".join(found) if found else "none")


def _links() -> list[str]:
    # /sys/class/net may be that of another namespace than ours.
    return sorted(n for _, n in socket.if_nameindex() if n.startswith(f"{names.PREFIX}-"))


def _entries(folder: str) -> Iterator[str]:
    return (name for name in sorted(os.listdir(folder)) if name.startswith(f"{names.PREFIX}-"))


def _groups() -> list[str]:
    return sorted({name for h in observe_hierarchies() for name in _entries(h.root)})


def _firewalls() -> Observation:
    there = [
        name
        for name, service in _FIREWALLS.items()
        if any(glob.glob(f"{folder}/{service}") for folder in _SERVICES)
    ]
    if "Docker" not in there and any(name == "docker0" for _, name in socket.if_nameindex()):
        there.append("Docker")
    if _ufw_is_on():
        there.append("ufw")
    return Observation(not there, ", ".join(there) if there else "none that is known")


def _ufw_is_on() -> bool:
    try:
        with open(_UFW, encoding="utf-8", errors="replace") as file:
            return any(line.strip().lower() == "enabled=yes" for line in file)
    except OSError:
        return False


def _kvm() -> Observation:
    if not os.path.exists(_KVM):
        return Observation(False, f"there is no {_KVM}")
    if not os.access(_KVM, os.R_OK | os.W_OK):
        return Observation(False, f"{_KVM} is not yours to use")
    return Observation(True)
