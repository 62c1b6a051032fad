"""Verbs that need a cluster's daemon or zygote: what has died is started again."""

from __future__ import annotations

import time

import click

from netemu.errors import UserError
from netemu.host import clusters

_ANSWERS_WITHIN_S = 20.0
_LOOK_AGAIN_S = 0.02


def have_daemon(name: str, *, ready: bool = False) -> None:
    """Start the daemon of a cluster that has lost it; UserError if it was stopped.

    Returns when its API answers, or when all of it is `ready`.
    """
    if not clusters.exists(name):
        return
    deadline = time.monotonic() + _ANSWERS_WITHIN_S
    while (record := clusters.daemon_of(name)) is not None:
        # One that has just been started answers in a moment.
        if record.ready or (record.api_url and not ready) or time.monotonic() > deadline:
            return
        time.sleep(_LOOK_AGAIN_S)
    if clusters.is_stopped(name):
        raise UserError(
            f"cluster \"{name}\" is stopped; 'sudo netemu start {name}' starts it again"
        )
    from netemu.cluster import lifecycle

    click.echo(f'netemu: no daemon of cluster "{name}" runs: one is started', err=True)
    lifecycle.resume(name)
