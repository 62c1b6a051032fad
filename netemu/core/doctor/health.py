"""The checks of one cluster: is each of its parts there, and does it do its work?"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

import msgspec

from netemu.core.doctor.findings import Check, Need, Observation

_NEEDED, _NOTE = Need.NEEDED, Need.NOTE
_UP = "`sudo netemu up NAME` starts what is missing, and adopts what is there."
_MOST_TOLD = 5

HEALTH: tuple[Check, ...] = (
    Check(
        "settings",
        _NEEDED,
        "what the cluster was made with cannot be read",
        "`sudo netemu down NAME` removes the cluster; mend the file if you know what broke it.",
        ("sudo cat /var/lib/netemu/NAME/settings.json",),
        "It is written to another file first and then renamed, so that a crash leaves the old"
        " or the new one. What breaks it is an editor or a disk.",
    ),
    Check(
        "daemon",
        _NEEDED,
        "without it nothing changes: no new Pods, no new rules, no kubectl",
        "`sudo netemu up NAME`, or `start NAME` if it was stopped; its log says why it ended.",
        ("sudo netemu status NAME", "sudo tail -50 /var/lib/netemu/NAME/log/daemon.log"),
        "Pods, Services, NodePorts and DNS go on as they were. Every verb that needs it"
        " starts another, which adopts all that is there.",
    ),
    Check(
        "zygote",
        _NEEDED,
        "it starts containers, takes their logs and notes their ends",
        _UP,
        ("sudo cat /run/netemu/NAME/zygote.log", "ps -ef | grep netemu"),
        "Containers live on. The kubelets' next request starts another, which takes them over;"
        " what ended meanwhile is ContainerStatusUnknown.",
    ),
    Check(
        "API server",
        _NEEDED,
        "kubectl and all components speak to it",
        "Look at the daemon's log; `sudo netemu up NAME` starts a daemon where none is.",
        (
            "kubectl get --raw /readyz",
            "sudo tail -50 /var/lib/netemu/NAME/log/daemon.log",
        ),
    ),
    Check(
        "node namespaces",
        _NEEDED,
        "a node is a network namespace that a process holds",
        _UP,
        ("ip netns | grep netemu-NAME", "sudo netemu status NAME"),
        "A node whose namespace is gone is made again, with its cable; its Pods start again.",
    ),
    Check(
        "power and cables",
        _NOTE,
        "somebody did that on purpose, and netemu does not undo it",
        "`sudo netemu node start NODE`, `sudo netemu node heal NODE`.",
        ("sudo netemu status NAME",),
        "Its Pods stay on it until their tolerations end (300 s), then others take their place.",
    ),
    Check(
        "nodes ready",
        _NEEDED,
        "no Pod is started on a node that is not Ready, and its endpoints are taken away",
        "Give it power and a cable, or wait for its heartbeat: `kubectl describe node NODE`.",
        ("kubectl get nodes -o wide", "kubectl get leases -n kube-node-lease"),
    ),
    Check(
        "Pods",
        _NOTE,
        "they do not run, or are not Ready: no Service leads to them",
        "`kubectl describe pod POD` tells why, in its events.",
        ("kubectl get pods -A -o wide", "kubectl get events -A --sort-by=.lastTimestamp"),
    ),
    Check(
        "cluster DNS",
        _NEEDED,
        "Pods find no Service by name",
        "`kubectl -n kube-system describe pods -l k8s-app=kube-dns` tells why.",
        (
            "kubectl -n kube-system get pods -o wide",
            "sudo netemu shell worker-1 dig @10.96.0.10 kubernetes.default.svc.cluster.local",
        ),
    ),
    Check(
        "kube-proxy",
        _NEEDED,
        "Services whose rules a node lacks do not answer from there",
        "kube-proxy looks every 30 s and mends; if rules stay away, see the daemon's log.",
        ("sudo netemu shell worker-1 iptables-save -t nat | grep KUBE-SERVICES",),
        "A flushed table is filled again within 30 s, and an event `ProxyRulesRepaired` says so.",
    ),
    Check(
        "log",
        _NOTE,
        "a component crashed and was started again: that is a bug worth reporting",
        "Look at its traceback in /var/lib/netemu/NAME/log/daemon.log.",
        ("sudo grep -A30 crashed /var/lib/netemu/NAME/log/daemon.log",),
        "The others went on; the component read the world anew.",
    ),
)


def checks_of(cluster: str) -> list[Check]:
    """Return the checks with the cluster's own name in what is to be done."""
    return [
        msgspec.structs.replace(check, remedy=check.remedy.replace("NAME", cluster))
        for check in HEALTH
    ]


def see_nodes_there(wanted: Iterable[str], there: Collection[str]) -> Observation:
    """Which of the nodes that have power have no namespace?"""
    nodes = list(wanted)
    gone = [node for node in nodes if node not in there]
    if gone:
        return Observation(False, f"none for {', '.join(gone)}")
    return Observation(True, f"{len(nodes)} held")


def see_power(*, unpowered: Collection[str], uncabled: Collection[str]) -> Observation:
    told = [
        f"{word}: {', '.join(sorted(nodes))}"
        for word, nodes in (("no power", unpowered), ("cut off", uncabled))
        if nodes
    ]
    return Observation(not told, "; ".join(told))


def see_some(bad: Mapping[str, str], count: int, word: str) -> Observation:
    """`bad` names what is not well, and how; `count` is how many there are in all."""
    if not bad:
        return Observation(True, f"{count} {word}")
    told = [f"{name} ({how})" if how else name for name, how in sorted(bad.items())]
    more = f" and {len(told) - _MOST_TOLD} more" if len(told) > _MOST_TOLD else ""
    return Observation(False, f"{', '.join(told[:_MOST_TOLD])}{more}")


def see_rules(lacking: Mapping[str, Collection[str]]) -> Observation:
    """`lacking` says of each node which Services' addresses no rule of its names."""
    bad = {
        node: f"lacks {len(services)}: {', '.join(sorted(services)[:3])}"
        for node, services in lacking.items()
        if services
    }
    return see_some(bad, len(lacking), "nodes have the rules of all Services")
