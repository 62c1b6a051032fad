"""`netemu stop`: end a cluster's processes, keep its state."""

from __future__ import annotations

import click

from netemu.cli._completion import known_clusters
from netemu.cli._options import choose_cluster, need_root
from netemu.errors import UserError


@click.command(
    short_help="Stop a cluster and keep its state.",
    epilog="""\b
Examples:
  sudo netemu stop                 the only cluster
  sudo netemu stop lab             one of several
  sudo netemu start lab            the same Pods again, with the same addresses
""",
)
@click.argument("name", required=False, shell_complete=known_clusters)
@click.option("--name", "name_option", metavar="NAME", help="Which cluster.")
def stop(name: str | None, name_option: str | None) -> None:
    """End daemon, nodes, containers and links, as a shutdown of all its hosts would.

    Objects, addresses, keys and logs stay on disk: 'netemu start' goes on from there,
    'netemu down' removes them, too.
    """
    need_root("stop")
    from netemu.cluster import lifecycle

    chosen = choose_one(name, name_option)
    if lifecycle.stop(chosen):
        click.echo(f"cluster \"{chosen}\" stopped; 'sudo netemu start {chosen}' starts it again")
    else:
        click.echo(f'cluster "{chosen}" was stopped already')


def choose_one(name: str | None, option: str | None) -> str:
    """Return the cluster that is meant, said in either way or not at all."""
    if name and option and name != option:
        raise UserError(f'either "{name}" or --name {option}, not both')
    return choose_cluster(name or option or "")


COMMAND = stop
