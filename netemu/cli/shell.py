"""`netemu shell`: a shell inside a node's or a pod's namespaces."""

from __future__ import annotations

import os
import shutil
import socket
import sys

import click

from netemu.cli._attended import have_daemon
from netemu.cli._completion import places
from netemu.cli._options import choose_cluster, cluster_option, need_root
from netemu.errors import HostError, UserError

_SUGGESTED = 5


@click.command(
    short_help="Open a shell on a node or in a pod's network.",
    context_settings={"allow_interspersed_args": False},
    epilog="""\b
Examples:
  sudo netemu shell worker-1                        a shell on a node
  sudo netemu shell worker-1 iptables-save -t nat   one command there
  sudo netemu shell pod/client                      in a pod's network, with the host's tools
  sudo netemu shell switch                          on the cluster's switch
""",
)
@cluster_option
@click.option("-n", "--namespace", default="default", show_default=True)
@click.argument("place", metavar="NODE | pod/NAME | switch", shell_complete=places)
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
def shell(cluster: str, namespace: str, place: str, command: tuple[str, ...]) -> None:
    """Open a shell in the namespaces of a node or a pod, with the tools of the host.

    It sees the network, the hostname and the IPC of that place and the files of the
    host: ip, iptables-save, nft, tcpdump, conntrack and ss show what a real node's
    would. 'netemu exec' is for a pod's own files.
    """
    need_root("shell")
    name = choose_cluster(cluster)
    pid, title = _find(name, place, namespace)
    argv = list(command[1:] if command[:1] == ("--",) else command) or [_shell(), "-i"]
    _enter(pid, title)
    if not command and sys.stdin.isatty():
        click.echo(f"{title}: hostname {socket.gethostname()}; 'exit' leads back", err=True)
    os.environ["PATH"] = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"
    os.environ["NETEMU_PLACE"] = title
    os.environ["PS1"] = f"{title}:\\w# "
    try:
        os.execvp(argv[0], argv)
    except OSError as error:
        raise UserError(f'"{argv[0]}" cannot be run: {error.strerror}') from error


def _shell() -> str:
    return shutil.which("bash") or "/bin/sh"


def _find(cluster: str, place: str, namespace: str) -> tuple[int, str]:
    """Return the process that holds the place, and what to call it."""
    import asyncio

    from netemu.cluster.launch import PRELOAD
    from netemu.host.clusters import ClusterFolders, load_settings
    from netemu.host.runtime import ZygoteRuntime, start_zygote
    from netemu.host.zygote import birth
    from netemu.model.runtime import SandboxKind, SandboxState

    folders = ClusterFolders(cluster)
    if not birth.answers(folders.run):
        have_daemon(cluster)

    async def revive() -> None:
        await start_zygote(folders.run, folders.state, cluster, PRELOAD)

    async def list_sandboxes() -> list[SandboxState]:
        runtime = await ZygoteRuntime.connect(folders.run, revive=revive)
        try:
            return await runtime.sandboxes()
        finally:
            runtime.close()

    sandboxes = asyncio.run(list_sandboxes())
    kind, slash, name = place.partition("/")
    if slash and kind not in ("pod", "node"):
        raise UserError(f'"{place}" is neither a node nor pod/NAME')
    is_pod = slash and kind == "pod"
    wanted = name if slash else place
    wanted = "underlay" if wanted == "switch" else wanted
    held = SandboxKind.POD if is_pod else SandboxKind.NODE
    for sandbox in sandboxes:
        here = sandbox.namespace == namespace or not is_pod
        if sandbox.kind == held and sandbox.name == wanted and sandbox.alive and here:
            return sandbox.pid, wanted if is_pod else place
    if is_pod:
        there = [(s.namespace, s.name) for s in sandboxes if s.kind == held and s.alive]
        hint = _suggest(wanted, there)
        raise UserError(f'no pod "{wanted}" runs in namespace "{namespace}"{hint}')
    nodes = ", ".join(node.name for node in load_settings(cluster).nodes)
    raise UserError(f'no node "{wanted}"; there are: {nodes}, switch; for a pod write pod/NAME')


def _suggest(wanted: str, there: list[tuple[str, str]]) -> str:
    """Return the pods whose names are near, or some of all, each with its namespace."""
    import difflib

    near = difflib.get_close_matches(wanted, sorted({name for _, name in there}), n=_SUGGESTED)
    chosen = sorted(pod for pod in there if not near or pod[1] in near)
    words = [f"{name} (-n {namespace})" for namespace, name in chosen[:_SUGGESTED]]
    more = ", …" if len(chosen) > _SUGGESTED else ""
    return f"; there are: {', '.join(words)}{more}" if words else "; none runs anywhere"


def _enter(pid: int, title: str) -> None:
    """Join the network, UTS and IPC namespaces of a process."""
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    for kind in ("net", "uts", "ipc"):
        try:
            descriptor = os.open(f"/proc/{pid}/ns/{kind}", os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise HostError(f"entering {title}", answer=error.strerror or "") from error
        if libc.setns(descriptor, 0) != 0:
            answer = os.strerror(ctypes.get_errno())
            raise HostError(f"entering the {kind} namespace of {title}", answer=answer)
        os.close(descriptor)
    _show_own_sysfs()


def _show_own_sysfs() -> None:
    """/sys shows the links of the namespace that mounted it: mount a fresh one, privately."""
    import subprocess

    from netemu.host.zygote import syscalls

    syscalls.unshare(syscalls.CLONE_NEWNS)
    syscalls.mount("", "/", flags=syscalls.MS_REC | syscalls.MS_SLAVE)
    subprocess.run(["mount", "-t", "sysfs", "sysfs", "/sys"], check=False, capture_output=True)


COMMAND = shell
