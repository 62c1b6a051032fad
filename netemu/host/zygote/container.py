"""A container's birth, in the child that the zygote forked for it.

The order matters: what needs the host (imports, `prepare`, the cgroup, /proc of
the host) comes first; then the Pod's namespaces, then the root; what takes powers
away comes last, and after it there is nothing left open that leads back.
"""

from __future__ import annotations

import contextlib
import gc
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import setproctitle

from netemu.host.zygote import program, syscalls
from netemu.host.zygote.cgroup import Cgroups
from netemu.host.zygote.children import StartError, Voice, reset_signals
from netemu.host.zygote.confinement import confine, limit
from netemu.host.zygote.furniture import is_furniture
from netemu.host.zygote.rootfs import Stage, copy_late_mounts, enter_root
from netemu.model.runtime import ContainerSpec

POD_NAMESPACES = ("net", "uts", "ipc")
ALL_NAMESPACES = ("cgroup", "ipc", "uts", "net", "pid", "mnt")


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What the zygote has for every container."""

    stage: Stage
    cgroups: Cgroups
    bounds: int
    """Capabilities that this host can give at all."""
    host_mounts: int
    """The host's mount namespace; the zygote's own is another."""
    programs: Mapping[str, str]
    """Programs that are built in: the path or name that people type → entrypoint."""


def become_container(
    spec: ContainerSpec,
    around: Surroundings,
    *,
    pause: int,
    hostname: str,
    streams: Sequence[int],
    voice: Voice,
) -> int:
    """Become the container's first process; return its exit code if it is a function."""
    _begin(voice, (*streams, around.host_mounts))
    setproctitle.setproctitle(spec.title)
    entrypoint = program.Entrypoint(spec.entrypoint) if spec.entrypoint else None
    furniture = around.stage.furniture(spec.furniture)
    limit(spec)
    around.cgroups.enter(spec.cgroup, spec.resources)
    try:
        syscalls.join_namespaces(pause, POD_NAMESPACES)
    except FileNotFoundError:
        raise StartError("the sandbox is gone") from None
    late = copy_late_mounts(spec.mounts, around.host_mounts)
    syscalls.unshare(syscalls.CLONE_NEWNS | syscalls.CLONE_NEWCGROUP)
    enter_root(spec, around.stage, hostname=hostname, late=late, furniture=furniture)
    _connect(spec.tty, streams, voice, keep=entrypoint.descriptors() if entrypoint else ())
    _enter_folder(spec.cwd)
    confine(spec, bounds=around.bounds)
    return _turn_into(entrypoint, spec.argv, spec.args, _environment(spec, tty=spec.tty), voice)


def become_exec(
    spec: ContainerSpec,
    argv: Sequence[str],
    around: Surroundings,
    *,
    pid: int,
    tty: bool,
    streams: Sequence[int],
    voice: Voice,
) -> int:
    """Become a further process of a running container, as confined as its first.

    One with CAP_SYS_PTRACE there may look into any process that it sees. So it sees
    this one only when nothing of the host is left in it: another is born for it then.
    """
    _begin(voice, streams)
    setproctitle.setproctitle(" ".join(argv)[:200])
    limit(spec)
    around.cgroups.join(spec.cgroup)
    syscalls.join_namespaces(pid, ALL_NAMESPACES)
    _enter_folder(spec.cwd)
    env = _environment(spec, tty=tty)
    entrypoint = _built_in(argv[0], env, around.programs)
    confine(spec, bounds=around.bounds)
    syscalls.prctl(syscalls.PR_SET_DUMPABLE, 0)  # Until the exec, which undoes it.
    if pid_there := syscalls.fork_sibling():
        voice.sibling(pid_there)
        return 0
    os.setsid()
    _connect(tty, streams, voice)
    return _turn_into(entrypoint, argv, argv[1:], env, voice)


def _environment(spec: ContainerSpec, *, tty: bool) -> dict[str, str]:
    return {"TERM": "xterm", **spec.env} if tty else spec.env


def _begin(voice: Voice, streams: Sequence[int]) -> None:
    # Nothing inherited is worth a collector's visit: it would copy the pages it touches.
    gc.freeze()
    reset_signals()
    os.setsid()
    os.umask(0o022)
    syscalls.close_from(3, keep=(voice.fileno(), *streams))


def _connect(tty: bool, streams: Sequence[int], voice: Voice, *, keep: Sequence[int] = ()) -> None:
    if tty:
        program.take_terminal(voice)
    else:
        program.take_streams(streams)
    syscalls.close_from(3, keep=(voice.fileno(), *keep))


def _enter_folder(path: str) -> None:
    """Make the working directory if the image lacks it, as container runtimes do."""
    with contextlib.suppress(OSError):
        os.makedirs(path or "/", exist_ok=True)
    os.chdir(path or "/")


def _built_in(
    name: str, env: Mapping[str, str], programs: Mapping[str, str]
) -> program.Entrypoint | None:
    """Return the built-in program of that name, unless the container has one of its own.

    One that its image was furnished with is the same, but needs an interpreter to start.
    """
    built_in = programs.get(name)
    if built_in is None:
        return None
    try:
        path = program.find_program(name, env.get("PATH", program.DEFAULT_PATH))
    except StartError:
        return program.Entrypoint(built_in)
    return program.Entrypoint(built_in) if is_furniture(path) else None


def _turn_into(
    entrypoint: program.Entrypoint | None,
    argv: Sequence[str],
    args: Sequence[str],
    env: Mapping[str, str],
    voice: Voice,
) -> int:
    if entrypoint is None:
        program.replace_process(argv, env)
    voice.ready()
    syscalls.prctl(syscalls.PR_SET_DUMPABLE, 1)
    return entrypoint.call(args, env)
