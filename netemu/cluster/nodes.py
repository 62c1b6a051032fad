"""Nodes that come and go, lose power or are cut off, in a cluster that runs.

Each function writes down what should be, in the cluster's settings, and has the daemon
make it so; it returns when that is done. A daemon that is started later keeps to it: a
node without power stays dead, a cable that was cut stays cut.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping

from netemu.cluster import control
from netemu.cluster.control import Wish
from netemu.core import node_changes
from netemu.errors import HostError
from netemu.host import clusters
from netemu.model.settings import ClusterSettings


def add_node(
    cluster: str,
    node: str = "",
    *,
    role: str = "worker",
    labels: Mapping[str, str] | None = None,
    zone: str = "",
) -> str:
    """Let a new node join, wait until it is Ready, and return its name.

    Without a name it is the next `worker-N`. `role` becomes a label, as `kubectl get
    nodes` shows it.
    """

    def grow(settings: ClusterSettings) -> ClusterSettings:
        return node_changes.with_node(settings, node, role=role, labels=labels, zone=zone)

    changed = _change(cluster, grow, wait=True)
    return changed.nodes[-1].name


def remove_node(cluster: str, node: str) -> None:
    """Switch the node off for good and delete its Node; its pods go with it."""
    _change(cluster, lambda settings: node_changes.without_node(settings, node))


def kill_node(cluster: str, node: str) -> None:
    """Take the node's power away: all that runs there is gone at once, its Node stays."""
    _change(cluster, lambda settings: node_changes.powered(settings, node, on=False))


def start_node(cluster: str, node: str) -> None:
    """Boot the node again, with the addresses it had, and wait until it is Ready."""
    _change(cluster, lambda settings: node_changes.powered(settings, node, on=True), wait_for=node)


def partition_node(cluster: str, node: str, *, heal: bool = False) -> None:
    """Cut the node's cable at the switch, or mend it. What runs on the node goes on."""
    _change(cluster, lambda settings: node_changes.cabled(settings, node, plugged=heal))


def _change(
    cluster: str,
    decide: Callable[[ClusterSettings], ClusterSettings],
    *,
    wait: bool = False,
    wait_for: str = "",
) -> ClusterSettings:
    """Write the changed settings down and have the daemon follow; return them."""
    with clusters.locked(cluster):
        before = clusters.load_settings(cluster)
        changed = decide(before)
        _need_daemon(cluster)
        clusters.save_settings(changed)
        expected = changed.nodes[-1].name if wait else wait_for
        if expected not in {node.name for node in changed.reachable_nodes}:
            expected = ""  # It has power, but no cable: it will not be Ready.
        try:
            control.ask(cluster, Wish(wait_for=expected))
        except HostError:
            if wait:  # A node that cannot come is not half there.
                clusters.save_settings(before)
                with contextlib.suppress(HostError):
                    control.ask(cluster, Wish())
            raise
    return changed


def _need_daemon(cluster: str) -> None:
    record = clusters.daemon_of(cluster)
    if record is None or not record.ready:
        state = "does not run" if record is None else "is still starting"
        raise HostError(
            f'changing cluster "{cluster}"',
            answer=f"its daemon {state}; 'sudo netemu up {cluster}' makes it ready",
        )
