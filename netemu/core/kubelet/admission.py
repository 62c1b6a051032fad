"""What a kubelet refuses to run (control-plane-and-node.md, 3.8).

The scheduler has looked at most of it already; a Pod whose `nodeName` was set by hand
has met nobody. A refused Pod is Failed, and its owner makes another.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from netemu.core.kubelet.lifecycle import Fail
from netemu.core.scheduling.requests import host_ports, ports_clash
from netemu.model.core_v1 import Pod

SAFE_SYSCTLS = frozenset(
    (
        "kernel.shm_rmid_forced",
        "net.ipv4.ip_local_port_range",
        "net.ipv4.ip_local_reserved_ports",
        "net.ipv4.ip_unprivileged_port_start",
        "net.ipv4.ping_group_range",
        "net.ipv4.tcp_fin_timeout",
        "net.ipv4.tcp_keepalive_intvl",
        "net.ipv4.tcp_keepalive_probes",
        "net.ipv4.tcp_keepalive_time",
        "net.ipv4.tcp_rmem",
        "net.ipv4.tcp_syncookies",
        "net.ipv4.tcp_wmem",
    )
)


def admit(
    pod: Pod, *, others: Iterable[Pod], labels: Mapping[str, str] | None, max_pods: int
) -> Fail | None:
    """Return why the Pod cannot run beside `others` on a node with these labels, if known."""
    neighbours = list(others)
    if len(neighbours) + 1 > max_pods:
        text = "Node didn't have enough resource: pods, requested: 1, used: "
        return Fail("OutOfpods", f"{text}{len(neighbours)}, capacity: {max_pods}")
    wanted = pod.spec.node_selector.items()
    if labels is not None and any(labels.get(key) != value for key, value in wanted):
        return Fail("NodeAffinity", "Pod was rejected: Predicate NodeAffinity failed")
    # The scheduler's own rule: an address of its own keeps two ports of one number apart.
    ports = host_ports(pod)
    taken = {port for other in neighbours if ports for port in host_ports(other)}
    if any(ports_clash(mine, theirs) for mine in ports for theirs in taken):
        text = "Pod was rejected: Predicate NodePorts failed: node(s) didn't have free ports"
        return Fail("NodePorts", f"{text} for the requested pod ports")
    return _forbidden_sysctl(pod)


def _forbidden_sysctl(pod: Pod) -> Fail | None:
    context = pod.spec.security_context
    for entry in context.sysctls if context else ():
        if entry.name not in SAFE_SYSCTLS:
            return Fail("SysctlForbidden", f'forbidden sysctl: "{entry.name}" not allowlisted')
    return None
