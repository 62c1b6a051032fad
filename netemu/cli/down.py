"""`netemu down`: remove clusters and all that they made."""

from __future__ import annotations

import click

from netemu.cli._completion import known_clusters
from netemu.cli._options import need_root
from netemu.errors import UserError


@click.command(
    short_help="Remove clusters and all that they made.",
    epilog="""\b
Examples:
  sudo netemu down                 the only cluster
  sudo netemu down lab other       some of several
  sudo netemu down --all           every cluster, and what crashed ones left
""",
)
@click.argument("names", nargs=-1, metavar="[NAME]...", shell_complete=known_clusters)
@click.option("--name", "name_option", metavar="NAME", help="Which cluster.")
@click.option("--all", "everything", is_flag=True, help="Every cluster of this host.")
@click.option("--keep-logs", is_flag=True, help="Leave /var/lib/netemu/NAME/log.")
def down(
    names: tuple[str, ...], name_option: str | None, everything: bool, keep_logs: bool
) -> None:
    """Remove clusters: processes, namespaces, links, mounts, rules, files, context.

    What is gone already is no error, so it also cleans up after a crash.
    """
    need_root("down")
    from netemu.cluster import lifecycle
    from netemu.cluster.plan import complain_about_flags
    from netemu.core.plans import check_name
    from netemu.host import clusters

    there = clusters.known()
    wanted = list(dict.fromkeys([*names, *([name_option] if name_option else [])]))
    if everything and wanted:
        raise UserError(f'either --all or "{wanted[0]}", not both')
    if not everything and not wanted and len(there) > 1:
        raise UserError(f"several clusters are there ({', '.join(there)}); name one, or --all")
    chosen = [check_name(name, complain_about_flags) for name in wanted] or there
    if not chosen:
        click.echo("no cluster is there")
    for each in chosen:
        warning = lifecycle.take_down(each, keep_logs=keep_logs)
        click.echo(_outcome(each, there, gone=chosen))
        if warning:
            click.echo(f"netemu: {warning}", err=True)


def _outcome(name: str, there: list[str], *, gone: list[str]) -> str:
    if name in there:
        return f'cluster "{name}" removed'
    left = [each for each in there if each not in gone]
    others = f"; there are: {', '.join(left)}" if left else ""
    return f'cluster "{name}" was not there{others}'


COMMAND = down
