"""`netemu uninstall`: nothing of netemu stays but the checkout."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from netemu.cli._options import need_root
from netemu.errors import NetemuError, UserError

if TYPE_CHECKING:
    from netemu.host.installation import Trace


@click.command(
    short_help="Remove all clusters and all else but the checkout.",
    epilog="""\b
Examples:
  sudo netemu uninstall             says what goes, and asks
  sudo netemu uninstall --yes
  sudo netemu down --all            only the clusters
""",
)
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
def uninstall(yes: bool) -> int:
    """Remove every cluster, contexts, the link, images, and the environment.

    The checkout itself stays, and so do the system's packages that netemu.sh has
    installed: their names are said.
    """
    need_root("uninstall")
    from netemu.cluster import lifecycle
    from netemu.host import clusters, installation, kubectl_config

    there, traces = clusters.known(), installation.traces()
    packages = installation.installed_packages()
    config = kubectl_config.config_path()
    if not there and not traces and not _contexts(config):
        click.echo("nothing of netemu is on this host")
        return 0
    if not yes and not _agrees(there, traces, _contexts(config), config):
        click.echo("nothing was removed")
        return 1
    problems = []
    for name in there:
        problems.append(lifecycle.take_down(name, keep_logs=False))
        click.echo(f'cluster "{name}" removed')
    for context in _contexts(config):
        kubectl_config.remove_context(context.removeprefix("netemu-"), config)
        click.echo(f"context {context} removed from {config}")
    _say_what_stays(packages)
    for trace in traces:
        click.echo(f"{trace.path} removed")
        try:
            trace.remove()
        except NetemuError as error:
            problems.append(str(error))
    for problem in filter(None, problems):
        click.echo(f"netemu: {problem}", err=True)
    return 1 if any(problems) else 0


def _contexts(config: Path) -> list[str]:
    from netemu.host import kubectl_config

    try:
        return kubectl_config.contexts_of_ours(config)
    except UserError as error:
        click.echo(f"netemu: {error}: it is left alone", err=True)
        return []


def _agrees(there: list[str], traces: list[Trace], contexts: list[str], config: Path) -> bool:
    click.echo("This removes:")
    for name in there:
        click.echo(f'  cluster "{name}"')
    for context in contexts:
        click.echo(f"  context {context} in {config}")
    for trace in traces:
        click.echo(f"  {trace.path}: {trace.what}")
    return click.confirm("Go on?")


def _say_what_stays(packages: list[str]) -> None:
    from netemu.host.installation import CHECKOUT

    click.echo(f"{CHECKOUT} stays; remove it by yourself")
    if packages:
        click.echo(f"packages stay; these were installed for netemu: {' '.join(packages)}")


COMMAND = uninstall
