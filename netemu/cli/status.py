"""`netemu status`: which clusters there are, and how they are."""

from __future__ import annotations

import json
from typing import Any

import click

from netemu.cli._options import output_option
from netemu.host import clusters
from netemu.host.clusters import ClusterFolders


@click.command(
    epilog="""\b
Examples:
  sudo netemu status
  sudo netemu status -o json | jq -r '.clusters[0].kubeconfig'
"""
)
@click.argument("name", required=False)
@output_option
def status(name: str | None, output: str) -> None:
    """Show the clusters of this host.

    With -o json and one cluster (the named one, or the only one) its fields stand at
    the top: `pid`, `kubeconfig`, `nodes`.
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
        "state": "running" if record and record.ready else "starting" if record else "stopped",
        "pid": record.pid if record else None,
        "api": record.api_url if record else None,
        "kubeconfig": str(ClusterFolders(name).kubeconfig),
        "log": str(ClusterFolders(name).daemon_log),
        "nodes": [],
    }
    if clusters.exists(name):
        settings = clusters.load_settings(name)
        description |= {
            "underlay": str(settings.underlay),
            "overlay": settings.overlay,
            "proxyMode": settings.proxy_mode,
            "iptables": settings.iptables_flavour,
            "nodes": _nodes(name, settings.nodes),
        }
    return description


def _nodes(name: str, nodes: Any) -> list[dict[str, Any]]:
    from netemu.core import names

    return [
        {
            "name": node.name,
            "address": str(node.address),
            "role": "control-plane" if node.control_plane else "worker",
            "netns": names.node_netns(name, node.name),
        }
        for node in nodes
    ]


def _print(cluster: dict[str, Any]) -> None:
    pid = f", pid {cluster['pid']}" if cluster["pid"] else ""
    click.echo(f"{cluster['name']}: {cluster['state']}{pid}")
    if cluster.get("overlay"):
        click.echo(
            f"  overlay {cluster['overlay']}, proxy mode {cluster['proxyMode']}"
            f" ({cluster['iptables']}), underlay {cluster['underlay']}"
        )
    if cluster["state"] == "stopped":
        click.echo(f"  {_remedy(cluster['name'])}")
    for node in cluster["nodes"]:
        click.echo(f"  {node['name']:<16}{node['address']:<16}netns {node['netns']}")
    click.echo(f"  kubeconfig {cluster['kubeconfig']}")


def _remedy(name: str) -> str:
    """Say how a cluster without a daemon gets one, and what goes on until then."""
    if not clusters.exists(name):
        return f"'sudo netemu down {name}' removes what is left of it"
    again = f"'sudo netemu up {name}' starts its daemon again"
    # After a reboot there are no processes to go on.
    of_this_boot = ClusterFolders(name).run.exists()
    return again + ("; pods and Services go on meanwhile" if of_this_boot else "")


COMMAND = status
