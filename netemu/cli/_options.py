"""Options and checks that several verbs share."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import Any, TypeVar, cast

import click

from netemu.cli._completion import known_clusters
from netemu.errors import MissingFacility, UserError
from netemu.host import clusters

F = TypeVar("F", bound=Callable[..., Any])

DEFAULT_NAME = "netemu"


def cluster_option(function: F) -> F:
    """`--cluster NAME`: which one, where several run."""
    return click.option(
        "--cluster",
        metavar="NAME",
        default="",
        envvar="NETEMU_CLUSTER",
        shell_complete=known_clusters,
        help="Which cluster; not needed when there is only one.",
    )(function)


def cluster_argument(function: F) -> F:
    """`[NAME]` or `--cluster NAME`, for a verb that is about one cluster or about the host."""
    by_option = click.option(
        "--cluster", "name_option", metavar="NAME", default="", help="The same."
    )
    by_place = click.argument(
        "name", required=False, default="", metavar="[CLUSTER]", shell_complete=known_clusters
    )

    @functools.wraps(function)
    def with_name(*, name: str, name_option: str, **others: Any) -> Any:
        return function(name=name or name_option, **others)

    return cast("F", by_place(by_option(with_name)))


def output_option(function: F) -> F:
    return click.option(
        "-o", "--output", type=click.Choice(["table", "json"]), default="table", show_default=True
    )(function)


def strict_images_option(function: F) -> F:
    return click.option(
        "--strict-images",
        is_flag=True,
        help="No stand-ins: an image that netemu does not know is not pulled.",
    )(function)


def need_root(verb: str) -> None:
    """Raise MissingFacility unless we are root."""
    if os.geteuid() != 0:
        program = os.environ.get("NETEMU_CALLED_AS", "netemu")  # Set by netemu.sh.
        raise MissingFacility(
            "root",
            why=f"'netemu {verb}' works with network namespaces of the host",
            remedy=f"Run 'sudo {program} {verb} …'",
        )


def choose_cluster(name: str) -> str:
    """Return the cluster that is meant: the named one, or the only one there is."""
    if name:
        if name not in clusters.known():
            clusters.load_settings(name)  # Says which there are.
        return name
    there = clusters.running() or clusters.known()
    if len(there) == 1:
        return there[0]
    if not there:
        raise UserError("no cluster is there; 'sudo netemu up' makes one")
    raise UserError(f"several clusters are there ({', '.join(there)}); name one with --cluster")
