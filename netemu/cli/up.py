"""`netemu up`: make a cluster that stays."""

from __future__ import annotations

import os
import time

import click

from netemu.cli._options import DEFAULT_NAME, need_root


@click.command(
    epilog="""\b
Examples:
  sudo netemu up                          three nodes
  sudo netemu up --nodes 5 --name lab     another cluster, beside the first
  sudo netemu up --config cluster.yaml    as a file of kind Cluster says
"""
)
@click.argument("name", required=False)
@click.option("-n", "--name", "name_option", metavar="NAME", help=f"Default: {DEFAULT_NAME}.")
@click.option("--nodes", type=int, help="How many, the control plane included. Default: 3.")
@click.option("-f", "--config", metavar="FILE", help="A cluster file (kind: Cluster).")
@click.option("--overlay", metavar="NAME", help="How pods of different nodes reach each other.")
@click.option("--proxy-mode", metavar="MODE", help="How Services are programmed.")
@click.option("--iptables", metavar="FLAVOUR", help="auto, nft or legacy.")
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
    no_context: bool,
    quiet: bool,
) -> None:
    """Make a cluster and wait until it is usable.

    The cluster goes on when this command has ended; 'netemu down' removes it. If a
    cluster of that name runs already, nothing is done.
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

    interrupt_on_sigterm()
    described = config or nodes is not None or overlay or proxy_mode or iptables
    if described and clusters.exists(wanted):
        click.echo(
            f'netemu: cluster "{wanted}" is there and stays as it was made; '
            f"'sudo netemu down {wanted}' first, for another",
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
