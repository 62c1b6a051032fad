"""`netemu status`: which clusters there are, and how they are."""

from __future__ import annotations

import json
from typing import Any

import click

from netemu.cli._completion import known_clusters
from netemu.cli._options import output_option
from netemu.errors import UserError
from netemu.host import clusters
from netemu.host.clusters import ClusterFolders, DaemonRecord


@click.command(
    epilog="""\b
Examples:
  sudo netemu status
  sudo netemu status -o json | jq -r '.clusters[0].kubeconfig'
"""
)
@click.argument("name", required=False, shell_complete=known_clusters)
@output_option
def status(name: str | None, output: str) -> None:
    """Show the clusters of this host.

    With -o json and one cluster (the named one, or the only one) its fields stand at
    the top: `state`, `pid`, `kubeconfig`, `nodes`. States are `running`, `starting`,
    `unattended` (all but the daemon goes on) and `stopped`.
    """
    from netemu.cli._options import need_root

    need_root("status")
    if name and name not in clusters.known():
        clusters.load_settings(name)  # Says which there are.
    names = [name] if name else clusters.known()
    found = [_describe(each) for each in names]
    if output == "json":
        click.echo(json.dumps(_document(found), indent=2))
    elif not found:
        click.echo("no cluster is there; 'sudo netemu up' makes one")
    else:
        for cluster in found:
            _print(cluster)


def _document(found: list[dict[str, Any]]) -> dict[str, Any]:
    document: dict[str, Any] = {"clusters": found}
    return {**found[0], **document} if len(found) == 1 else document


def _describe(name: str) -> dict[str, Any]:
    record = clusters.daemon_of(name)
    description: dict[str, Any] = {
        "name": name,
        "state": _state(name, record),
        "pid": record.pid if record else None,
        "api": record.api_url if record else None,
        "kubeconfig": str(ClusterFolders(name).kubeconfig),
        "log": str(ClusterFolders(name).daemon_log),
        "nodes": [],
    }
    if clusters.exists(name):
        try:
            settings = clusters.load_settings(name)
        except UserError as error:
            return description | {"problem": str(error)}
        description |= {
            "underlay": str(settings.underlay),
            "overlay": settings.overlay,
            "proxyMode": settings.proxy_mode,
            "iptables": settings.iptables_flavour,
            "nodes": _nodes(name, settings.nodes),
        }
    return description


def _state(name: str, record: DaemonRecord | None) -> str:
    if record is not None:
        return "running" if record.ready else "starting"
    # After a reboot nothing runs, whoever did not stop it.
    lives_on = ClusterFolders(name).run.exists() and not clusters.is_stopped(name)
    return "unattended" if lives_on else "stopped"


def _nodes(name: str, nodes: Any) -> list[dict[str, Any]]:
    from netemu.core import names

    return [
        {
            "name": node.name,
            "address": str(node.address),
            "role": "control-plane" if node.control_plane else "worker",
            "netns": names.node_netns(name, node.name),
            "powered": node.powered,
            "cabled": node.cabled,
        }
        for node in nodes
    ]


def _print(cluster: dict[str, Any]) -> None:
    pid = f", pid {cluster['pid']}" if cluster["pid"] else ""
    click.echo(f"{cluster['name']}: {cluster['state']}{pid}")
    if cluster.get("problem"):
        click.echo(f"  {cluster['problem']}")
        return
    if cluster.get("overlay"):
        click.echo(
            f"  overlay {cluster['overlay']}, proxy mode {cluster['proxyMode']}"
            f" ({cluster['iptables']}), underlay {cluster['underlay']}"
        )
    if cluster["state"] in ("stopped", "unattended"):
        click.echo(f"  {_remedy(cluster['name'], cluster['state'])}")
    for node in cluster["nodes"]:
        click.echo(f"  {node['name']:<16}{node['address']:<16}{_condition(node)}")
    click.echo(f"  kubeconfig {cluster['kubeconfig']}")


def _condition(node: dict[str, Any]) -> str:
    """Say where the node is, or what was done to it."""
    if not node["powered"]:
        return f"no power; 'sudo netemu node start {node['name']}'"
    cut = "" if node["cabled"] else f", cut off; 'sudo netemu node heal {node['name']}'"
    return f"netns {node['netns']}{cut}"


def _remedy(name: str, state: str) -> str:
    """Say how a cluster without a daemon gets one, and what goes on until then."""
    if not clusters.exists(name):
        return f"'sudo netemu down {name}' removes what is left of it"
    if state == "stopped":
        return f"'sudo netemu start {name}' starts it again, 'sudo netemu down {name}' removes it"
    return (
        f"its daemon has died: pods and Services go on; 'sudo netemu up {name}', or any verb"
        " that needs it, starts another"
    )


COMMAND = status
