"""`netemu node`: nodes that come and go, lose power, or are cut off."""

from __future__ import annotations

import click

from netemu.cli._attended import have_daemon
from netemu.cli._completion import nodes
from netemu.cli._options import choose_cluster, cluster_option, need_root
from netemu.errors import UserError


@click.group(
    epilog="""\b
Examples:
  sudo netemu node add                          one more worker, Ready when this returns
  sudo netemu node add edge-1 --zone west --label disk=ssd
  sudo netemu node kill worker-1                power loss; 'node start worker-1' boots it again
  sudo netemu node partition worker-1           its cable is cut; 'node heal worker-1' mends it
  sudo netemu node remove worker-2
"""
)
def node() -> None:
    """Add, remove, kill, start, partition or heal a node."""


@node.command(
    epilog="""\b
Examples:
  sudo netemu node add
  sudo netemu node add edge-1 --role edge --zone west --label disk=ssd
"""
)
@click.argument("name", required=False, default="")
@click.option(
    "--role", default="worker", metavar="ROLE", help="Becomes a label, as in 'get nodes'."
)
@click.option("--label", "labels", multiple=True, metavar="KEY=VALUE", help="May be repeated.")
@click.option("--zone", default="", help="The label topology.kubernetes.io/zone.")
@cluster_option
def add(name: str, role: str, labels: tuple[str, ...], zone: str, cluster: str) -> None:
    """Let a new node join, and wait until it is Ready. Its name: worker-N, unless given."""
    need_root("node add")
    from netemu.cluster import nodes

    wanted = dict(_label(text) for text in labels)
    added = nodes.add_node(_chosen(cluster), name, role=role, labels=wanted, zone=zone)
    click.echo(f"node {added} is Ready")


def _chosen(cluster: str) -> str:
    """Return the cluster that is meant; it has a daemon then, to carry the wish out."""
    name = choose_cluster(cluster)
    have_daemon(name, ready=True)
    return name


def _label(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise UserError(f'--label {text}: expected KEY=VALUE, such as "disk=ssd"')
    return key, value


@node.command(
    short_help="Switch a node off for good, and delete its Node object.",
    epilog="Example: sudo netemu node remove worker-2",
)
@click.argument("name", shell_complete=nodes)
@cluster_option
def remove(name: str, cluster: str) -> None:
    """Switch a node off for good and delete its Node object and its pods, without a drain."""
    need_root("node remove")
    from netemu.cluster import nodes

    nodes.remove_node(_chosen(cluster), name)
    click.echo(f"node {name} removed")


@node.command(epilog="Example: sudo netemu node kill worker-1")
@click.argument("name", shell_complete=nodes)
@cluster_option
def kill(name: str, cluster: str) -> None:
    """Take a node's power away: all that runs there is gone at once.

    Its Node object stays, and becomes NotReady when it has been silent for the node
    monitor's grace period; it stays dead until 'netemu node start'.
    """
    need_root("node kill")
    from netemu.cluster import nodes

    nodes.kill_node(_chosen(cluster), name)
    click.echo(f"node {name} has no power; 'sudo netemu node start {name}' boots it again")


@node.command(
    short_help="Boot a node that was killed, with the addresses it had.",
    epilog="Example: sudo netemu node start worker-1",
)
@click.argument("name", shell_complete=nodes)
@cluster_option
def start(name: str, cluster: str) -> None:
    """Boot a node that was killed, with the addresses it had; its pods start again."""
    need_root("node start")
    from netemu.cluster import nodes

    nodes.start_node(_chosen(cluster), name)
    click.echo(f"node {name} has power")


@node.command(epilog="Example: sudo netemu node partition worker-1")
@click.argument("name", shell_complete=nodes)
@cluster_option
def partition(name: str, cluster: str) -> None:
    """Cut a node's cable at the switch. What runs there goes on, but nobody hears of it."""
    need_root("node partition")
    from netemu.cluster import nodes

    nodes.partition_node(_chosen(cluster), name)
    click.echo(f"node {name} is cut off; 'sudo netemu node heal {name}' mends its cable")


@node.command(epilog="Example: sudo netemu node heal worker-1")
@click.argument("name", shell_complete=nodes)
@cluster_option
def heal(name: str, cluster: str) -> None:
    """Mend the cable of a node that was partitioned."""
    need_root("node heal")
    from netemu.cluster import nodes

    nodes.partition_node(_chosen(cluster), name, heal=True)
    click.echo(f"node {name} is cabled")


COMMAND = node
