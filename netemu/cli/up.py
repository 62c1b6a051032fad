"""`netemu up`: make a cluster that stays."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import click

from netemu.cli._completion import files, known_clusters
from netemu.cli._options import DEFAULT_NAME, need_root, strict_images_option

if TYPE_CHECKING:
    from netemu.core.plan_checks import Complain
    from netemu.model.cluster_v1alpha1 import Cluster
    from netemu.model.settings import ClusterSettings


@click.command(
    epilog="""\b
Examples:
  sudo netemu up                          three nodes
  sudo netemu up --nodes 5 --name lab     another cluster, beside the first
  sudo netemu up --config cluster.yaml    as a file of kind Cluster says
"""
)
@click.argument("name", required=False, shell_complete=known_clusters)
@click.option("--name", "name_option", metavar="NAME", help=f"Default: {DEFAULT_NAME}.")
@click.option("--nodes", type=int, help="How many, the control plane included. Default: 3.")
@click.option(
    "-f", "--config", metavar="FILE", shell_complete=files, help="A cluster file (kind: Cluster)."
)
@click.option("--overlay", metavar="NAME", help="How pods of different nodes reach each other.")
@click.option("--proxy-mode", metavar="MODE", help="How Services are programmed.")
@click.option("--iptables", metavar="FLAVOUR", help="auto, nft or legacy.")
@strict_images_option
@click.option(
    "--node-monitor-grace-period",
    "grace",
    metavar="TIME",
    help="How long a node may be silent before it is NotReady. Default: 40s.",
)
@click.option(
    "--default-toleration-seconds",
    "toleration",
    type=int,
    metavar="N",
    help="How long pods stay on a node that is not ready. Default: 300.",
)
@click.option("--no-context", is_flag=True, help="Leave ~/.kube/config alone.")
@click.option("-q", "--quiet", is_flag=True, help="Say nothing but errors.")
def up(
    name: str | None,
    name_option: str | None,
    nodes: int | None,
    config: str | None,
    overlay: str | None,
    proxy_mode: str | None,
    iptables: str | None,
    strict_images: bool,
    grace: str | None,
    toleration: int | None,
    no_context: bool,
    quiet: bool,
) -> None:
    """Make a cluster and wait until it is usable.

    The cluster goes on when this command has ended; 'netemu down' removes it. If a
    cluster of that name is there already, it stays as it was made.
    """
    began = float(os.environ.get("NETEMU_BEGAN", "0")) or time.monotonic()
    need_root("up")
    from netemu.cluster import lifecycle
    from netemu.cluster.plan import complain_about_flags, read_cluster
    from netemu.host import clusters
    from netemu.host.interruption import interrupt_on_sigterm
    from netemu.model.cluster_v1alpha1 import Cluster

    cluster, complain = read_cluster(config) if config else (Cluster(), complain_about_flags)
    wanted = name or name_option or cluster.metadata.name or DEFAULT_NAME
    cluster.metadata.name = wanted
    spec = cluster.spec
    if nodes is not None:
        spec.nodes = nodes
    spec.overlay = overlay or spec.overlay
    spec.proxy_mode = proxy_mode or spec.proxy_mode
    spec.iptables = iptables or spec.iptables
    spec.strict_images = strict_images or spec.strict_images
    spec.node_monitor_grace_period = grace or spec.node_monitor_grace_period
    if toleration is not None:
        spec.default_toleration_seconds = toleration

    interrupt_on_sigterm()
    given = {
        "nodes": nodes,
        "overlay": overlay,
        "proxy mode": proxy_mode,
        "iptables": iptables,
        "strict images": strict_images or None,
        "grace period": grace,
        "toleration": toleration,
    }
    asked = {what for what, value in given.items() if value is not None}
    if (config or asked) and clusters.exists(wanted):
        differences = _differences(cluster, complain, None if config else asked)
        if differences:
            click.echo(
                f'netemu: cluster "{wanted}" is there and stays as it was made: '
                f"{', '.join(differences)}; 'sudo netemu down {wanted}' first, for another",
                err=True,
            )
    say = (lambda _text: None) if quiet else click.echo
    started = False
    for progress in lifecycle.bring_up(cluster, complain, began=began, context=not no_context):
        if progress.stage:
            started = True
            say(f" ✓ {progress.stage:<42}{progress.at_s:6.2f} s")
        elif progress.ready:
            took = f" after {progress.at_s:.2f} s" if started else " already"
            say(f'cluster "{wanted}" runs{took}')
        if progress.warning:
            click.echo(f"netemu: {progress.warning}", err=True)
            no_context = True
    if not quiet and started:
        _what_now(wanted, no_context)


def _differences(cluster: Cluster, complain: Complain, asked: set[str] | None) -> list[str]:
    """Check what is asked for, and return where the cluster that is there is unlike it.

    A file speaks of everything, options of themselves: those are `asked`.
    """
    from netemu.cluster.plan import make_settings
    from netemu.host import clusters

    there = clusters.load_settings(cluster.metadata.name)
    same_place = cluster.spec.underlay == str(there.underlay)
    if same_place or asked is not None:
        cluster.spec.underlay = ""  # The network it has is no longer free.
    wish = make_settings(cluster, complain)
    pairs: dict[str, tuple[object, object]] = {
        "nodes": (len(there.nodes), len(wish.nodes)),
        "overlay": (there.overlay, wish.overlay),
        "proxy mode": (there.proxy_mode, wish.proxy_mode),
        "iptables": (there.iptables_flavour, wish.iptables_flavour),
        "podCIDR": (there.pod_cidr, wish.pod_cidr),
        "serviceCIDR": (there.service_cidr, wish.service_cidr),
        "clusterDNS": (there.cluster_dns, wish.cluster_dns),
        "domain": (there.domain, wish.domain),
        "grace period": (f"{there.node_grace_s:g} s", f"{wish.node_grace_s:g} s"),
        "toleration": (f"{there.toleration_s} s", f"{wish.toleration_s} s"),
        "images": (_patterns(there), _patterns(wish)),
        "strict images": (_on(there.strict_images), _on(wish.strict_images)),
        "DNS replicas": (there.dns_replicas, wish.dns_replicas),
    }
    if cluster.spec.underlay:
        pairs["underlay"] = (there.underlay, wish.underlay)
    if len(there.nodes) == len(wish.nodes):
        pairs["nodes"] = (_node_names(there), _node_names(wish))
    return [
        f"{what} {has} instead of {wanted}"
        for what, (has, wanted) in pairs.items()
        if has != wanted and (asked is None or what in asked)
    ]


def _on(choice: bool) -> str:
    return "on" if choice else "off"


def _patterns(settings: ClusterSettings) -> str:
    return " ".join(image.pattern for image in settings.images) or "none"


def _node_names(settings: ClusterSettings) -> str:
    return " ".join(sorted(node.name for node in settings.nodes))


def _what_now(name: str, no_context: bool) -> None:
    from netemu.host.clusters import ClusterFolders
    from netemu.host.kubectl_config import context_name

    flag = "" if name == DEFAULT_NAME else f" --name {name}"
    if no_context:
        click.echo(f"kubectl:  KUBECONFIG={ClusterFolders(name).kubeconfig} kubectl get nodes")
    else:
        click.echo(f"kubectl:  context {context_name(name)} is current; try: kubectl get nodes")
    click.echo(f"remove:   sudo netemu down{flag}")


COMMAND = up
