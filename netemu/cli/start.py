"""`netemu start`: bring a cluster that was stopped back."""

from __future__ import annotations

import os
import time

import click

from netemu.cli._completion import known_clusters
from netemu.cli._options import need_root


@click.command(
    short_help="Start a cluster that was stopped.",
    epilog="""\b
Examples:
  sudo netemu start                the only cluster
  sudo netemu start lab            one of several
""",
)
@click.argument("name", required=False, shell_complete=known_clusters)
@click.option("--name", "name_option", metavar="NAME", help="Which cluster.")
@click.option("-q", "--quiet", is_flag=True, help="Say nothing but errors.")
def start(name: str | None, name_option: str | None, quiet: bool) -> None:
    """Bring a cluster back that was stopped, or that a reboot of this host ended.

    Pods have the UIDs and addresses that they had; each container has been restarted once
    more. 'netemu up NAME' does the same, and makes a cluster where there is none.
    """
    began = float(os.environ.get("NETEMU_BEGAN", "0")) or time.monotonic()
    need_root("start")
    from netemu.cli.stop import choose_one
    from netemu.cluster import lifecycle
    from netemu.host import clusters
    from netemu.host.interruption import interrupt_on_sigterm

    asleep = [each for each in clusters.known() if clusters.daemon_of(each) is None]
    only = asleep[0] if len(asleep) == 1 else None
    chosen = choose_one(name or (None if name_option else only), name_option)
    interrupt_on_sigterm()
    say = (lambda _text: None) if quiet else click.echo
    started = False
    for progress in lifecycle.start_again(chosen, began=began):
        if progress.stage:
            started = True
            say(f" ✓ {progress.stage:<42}{progress.at_s:6.2f} s")
        elif progress.ready:
            took = f" after {progress.at_s:.2f} s" if started else " already"
            say(f'cluster "{chosen}" runs{took}')


COMMAND = start
