"""`netemu exec`: run a command in a container."""

from __future__ import annotations

import shlex
import sys

import click

from netemu.cli._completion import pods
from netemu.cli._options import cluster_option, need_root

_WITH_VALUE = ("-c", "--container", "-n", "--namespace", "--cluster")


@click.command(
    context_settings={"ignore_unknown_options": False, "allow_interspersed_args": False},
    epilog="""\b
Examples:
  sudo netemu exec pod/client -- curl -s http://web/hostname
  sudo netemu exec -it deployment/web -- bash
  echo hello | sudo netemu exec -i client -- cat
""",
)
@click.option("-c", "--container", default="", help="Which of the pod's containers.")
@click.option("-i", "--stdin", "stdin", is_flag=True, help="Pass standard input on.")
@click.option("-t", "--tty", "tty", is_flag=True, help="Give the command a terminal.")
@click.option("-n", "--namespace", default="default", show_default=True)
@cluster_option
@click.argument("pod", metavar="POD | KIND/NAME", shell_complete=pods)
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def exec_(
    container: str,
    stdin: bool,
    tty: bool,
    namespace: str,
    cluster: str,
    pod: str,
    command: tuple[str, ...],
) -> None:
    """Run a command in a container; its exit code is passed on."""
    if command[0].startswith("-") and command[0] != "--":
        raise click.UsageError(f"options go before the pod: {_in_order(pod, command)}")
    need_root("exec")
    from netemu.cli._api import choose_container, find_pod, with_client
    from netemu.cli._terminal import converse
    from netemu.client.https import HttpsClient
    from netemu.client.streams import RemoteExec

    argv = command[1:] if command[0] == "--" else command

    async def work(client: HttpsClient) -> int:
        found = await find_pod(client, pod, namespace)
        with_tty = tty and sys.stdin.isatty()
        if tty and not with_tty:
            click.echo("standard input is no terminal, so the command gets none", err=True)
        chosen = choose_container(found, container)
        session = await RemoteExec.start(
            client, found, argv, container=chosen, stdin=stdin, tty=with_tty
        )
        try:
            return await converse(session, stdin=stdin, tty=with_tty)
        finally:
            await session.close()

    sys.exit(with_client(cluster, work))


def _in_order(pod: str, words: tuple[str, ...]) -> str:
    """Return the command line that was meant: options, pod, command."""
    options: list[str] = []
    rest = list(words)
    while rest and rest[0].startswith("-") and rest[0] != "--":
        options.append(rest.pop(0))
        if options[-1] in _WITH_VALUE and rest:
            options.append(rest.pop(0))
    command = [word for word in rest if word != "--"] or ["COMMAND"]
    return f"netemu exec {shlex.join(options)} {pod} -- {shlex.join(command)}"


COMMAND = exec_
