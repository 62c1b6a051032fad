"""What is netemu's own on this host: addresses, clusters, what they left, contexts."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator

from netemu.core import names
from netemu.core.doctor import sights
from netemu.core.doctor.findings import Observation
from netemu.errors import NetemuError
from netemu.host import clusters, kubectl_config, netns, underlay
from netemu.host.zygote.cgroup import observe_hierarchies


def look() -> dict[str, Observation]:
    """Look at everything; nothing here needs root, though some tells more to it."""
    root = os.geteuid() == 0
    hierarchies = [(h.version, h.controllers) for h in observe_hierarchies()]
    return {
        "root": Observation(root, "" if root else "this is an ordinary user"),
        "addresses": _addresses(),
        "cgroups": sights.see_cgroups(hierarchies),
        "PATH": sights.see_path(os.environ.get("PATH", "")),
        "clusters": sights.see_clusters({name: _state(name) for name in clusters.known()}),
        "leftovers": _leftovers(),
        "contexts": _contexts(),
    }


def _addresses() -> Observation:
    ours = []
    for name in clusters.known():
        try:
            ours.append(clusters.load_settings(name).underlay)
        except (NetemuError, OSError):
            continue  # A cluster that was never whole, or that only root may look at.
    try:
        return sights.see_addresses(underlay.taken_networks(), ours)
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
        # A group is called netemu-CLUSTER.ID: a namesake's elsewhere on this machine is none.
        *(f"cgroup {n}" for n in _groups() if n.partition(".")[0] not in groups),
    ]
    return Observation(not found, ", ".join(found) if found else "none")


def _links() -> list[str]:
    # /sys/class/net may be that of another namespace than ours.
    return sorted(n for _, n in socket.if_nameindex() if n.startswith(f"{names.PREFIX}-"))


def _entries(folder: str) -> Iterator[str]:
    return (name for name in sorted(os.listdir(folder)) if name.startswith(f"{names.PREFIX}-"))


def _groups() -> list[str]:
    return sorted({name for h in observe_hierarchies() for name in _entries(h.root)})


def _contexts() -> Observation:
    """Contexts of ours in the caller's kubeconfig whose clusters are gone."""
    path = kubectl_config.config_path()
    try:
        ours = kubectl_config.contexts_of_ours(path)
    except (NetemuError, OSError) as error:
        return Observation(None, str(error))
    return sights.see_contexts(ours, clusters.known())
