"""One cluster, looked at from outside: what of it is there, and what its API says."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from netemu.client.https import HttpsClient
from netemu.cluster.access import open_client
from netemu.core import addons, names
from netemu.core.control.node_facts import ready_status
from netemu.core.control.pods import is_active, is_ready
from netemu.core.doctor.findings import Observation
from netemu.core.doctor.health import see_nodes_there, see_power, see_rules, see_some
from netemu.errors import NetemuError, UserError
from netemu.host import clusters, netns
from netemu.host.clusters import ClusterFolders
from netemu.host.netns import Netns
from netemu.host.zygote import birth
from netemu.model.core_v1 import Node, Pod, Service
from netemu.model.discovery_v1 import EndpointSlice
from netemu.model.settings import ClusterSettings

_API_PATIENCE_S = 3.0
_MOST_NODES = 10
"""Rules are read on so many: it costs a process each."""
_LOG_TAIL_BYTES = 1 << 20


def examine(name: str) -> dict[str, Observation]:
    """Look at a cluster without changing it; needs root."""
    found = {"daemon": _daemon(name), "zygote": _zygote(name), "log": _log(name)}
    try:
        settings = clusters.load_settings(name)
    except UserError as error:
        return found | {"settings": Observation(False, str(error))}
    found["settings"] = Observation(True)
    found |= _nodes(settings)
    if found["daemon"].fine:
        try:
            found |= asyncio.run(_ask(settings))
        except (NetemuError, TimeoutError) as error:
            found["API server"] = Observation(False, str(error) or "does not answer")
    return found


def _daemon(name: str) -> Observation:
    record = clusters.daemon_of(name)
    if record is not None:
        return Observation(True, f"pid {record.pid}{'' if record.ready else ', starting'}")
    stopped = clusters.is_stopped(name) or not ClusterFolders(name).run.exists()
    return Observation(False, "stopped" if stopped else "dead; all else may go on")


def _zygote(name: str) -> Observation:
    answers = birth.answers(ClusterFolders(name).run)
    return Observation(answers, "answers" if answers else "nobody listens on its socket")


def _log(name: str) -> Observation:
    try:
        with open(ClusterFolders(name).daemon_log, "rb") as file:
            file.seek(max(0, file.seek(0, 2) - _LOG_TAIL_BYTES))
            crashes = sum(line.rstrip().endswith(b" crashed") for line in file)
    except OSError as error:
        return Observation(None, error.strerror or "")
    return Observation(not crashes, f"{crashes} crashes" if crashes else "no crash")


def _nodes(settings: ClusterSettings) -> dict[str, Observation]:
    there = set(netns.published(names.netns_prefix(settings.name)))
    powered = [node.name for node in settings.powered_nodes]
    held = {n for n in powered if names.node_netns(settings.name, n) in there}
    return {
        "node namespaces": see_nodes_there(powered, held),
        "power and cables": see_power(
            unpowered=[node.name for node in settings.nodes if not node.powered],
            uncabled=[node.name for node in settings.nodes if not node.cabled],
        ),
    }


# --- what the API says -------------------------------------------------------


async def _ask(settings: ClusterSettings) -> dict[str, Observation]:
    client = open_client(settings.name)
    try:
        async with asyncio.timeout(_API_PATIENCE_S):
            await client.read_text("/readyz")
            nodes = (await client.list(Node)).items
            pods = [pod for pod in (await client.list(Pod)).items if is_active(pod)]
            rules = await _rules(client, settings)
    finally:
        await client.close()
    silent = {n.metadata.name: "" for n in nodes if ready_status(n) != "True"}
    return {
        "API server": Observation(True, "ready"),
        "nodes ready": see_some(silent, len(nodes), "Ready"),
        "Pods": see_some(_unwell(pods), len(pods), "Ready"),
        "cluster DNS": _dns(settings, pods),
        "kube-proxy": rules,
    }


def _unwell(pods: list[Pod]) -> dict[str, str]:
    return {
        f"{pod.metadata.namespace}/{pod.metadata.name}": _how(pod)
        for pod in pods
        if not is_ready(pod) and not pod.metadata.deletion_timestamp
    }


def _how(pod: Pod) -> str:
    """Return the reason that says most: of a container that waits, else of the Pod."""
    for status in (*pod.status.init_container_statuses, *pod.status.container_statuses):
        if status.state and status.state.waiting and status.state.waiting.reason:
            return status.state.waiting.reason
    for condition in pod.status.conditions:
        if condition.type == "PodScheduled" and condition.status == "False":
            return condition.reason or "Pending"
    return "not Ready" if pod.status.phase == "Running" else pod.status.phase or "Pending"


def _dns(settings: ClusterSettings, pods: list[Pod]) -> Observation:
    servers = [p for p in pods if p.metadata.labels.get("k8s-app") == addons.DNS_SERVICE]
    ready = sum(is_ready(pod) for pod in servers)
    if not settings.dns_replicas:
        return Observation(True, "none wanted")
    return Observation(ready > 0, f"{ready} of {settings.dns_replicas} servers Ready")


async def _rules(client: HttpsClient, settings: ClusterSettings) -> Observation:
    """Do the nodes' rules name the address of every Service that somebody serves?"""
    slices = (await client.list(EndpointSlice)).items
    served = {
        (s.metadata.namespace, s.metadata.labels.get("kubernetes.io/service-name", ""))
        for s in slices
        if s.endpoints
    }
    wanted = {
        f"{s.metadata.namespace}/{s.metadata.name}": s.spec.cluster_ip
        for s in (await client.list(Service)).items
        if s.spec.cluster_ip not in ("", "None")
        and (s.metadata.namespace, s.metadata.name) in served
    }
    nodes = [node.name for node in settings.reachable_nodes[:_MOST_NODES]]
    return await asyncio.to_thread(_compare, settings, nodes, wanted)


def _compare(settings: ClusterSettings, nodes: list[str], wanted: Mapping[str, str]) -> Observation:
    lacking: dict[str, list[str]] = {}
    for node in nodes:
        try:
            text = _nat_rules(settings, node)
        except (NetemuError, OSError) as error:
            return Observation(None, f"{node}: {error}")
        lacking[node] = [service for service, ip in wanted.items() if f"-d {ip}/32" not in text]
    return see_rules(lacking)


def _nat_rules(settings: ClusterSettings, node: str) -> str:
    name = names.node_netns(settings.name, node)
    space = Netns.open(f"{netns.NETNS_DIR}/{name}", name=name)
    try:
        done = space.run_sync([f"iptables-{settings.iptables_flavour}-save", "-t", "nat"])
    finally:
        space.close()
    return done.stdout.decode()
