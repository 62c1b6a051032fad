"""Pause: the small process that holds a Pod's or a node's namespaces.

It makes them, brings their loopback up, sets what of their sysctls is asked for,
and waits. Where the containers of a Pod share their processes it is the first of
them and reaps the orphans.
"""

from __future__ import annotations

import contextlib
import fcntl
import gc
import os
import signal
import socket
import struct

import setproctitle

from netemu.host.zygote import syscalls
from netemu.host.zygote.children import StartError, Voice, reset_signals
from netemu.host.zygote.confinement import give_up_all_powers
from netemu.model.runtime import SandboxKind, SandboxSpec

_SIOCGIFFLAGS = 0x8913
_SIOCSIFFLAGS = 0x8914
_IFF_UP = 1
_ENDED = {signal.SIGCHLD}
_REQUEST = struct.Struct("16sH14x")


def title_of(spec: SandboxSpec) -> str:
    if spec.kind is SandboxKind.NODE:
        return f"netemu: node {spec.name or spec.node or spec.id}"
    return f"netemu: pause {spec.namespace}/{spec.name}"


def become_pause(spec: SandboxSpec, *, share_net_of: int, empty: str, voice: Voice) -> int:
    """Make the namespaces and hold them until killed; `share_net_of` is a pid or 0."""
    gc.disable()
    gc.freeze()
    reset_signals()
    # sigwait gets only what is blocked: the kernel drops others that nobody handles.
    signal.pthread_sigmask(signal.SIG_BLOCK, _ENDED)
    os.setsid()
    setproctitle.setproctitle(title_of(spec))
    syscalls.close_from(3, keep=(voice.fileno(),))
    _make_namespaces(spec, share_net_of)
    if not share_net_of and not spec.netns_path:
        raise_loopback()
    for name, value in spec.sysctls.items():
        set_sysctl(name, value)
    null = os.open("/dev/null", os.O_RDWR)
    for stream in range(3):
        os.dup2(null, stream)
    os.close(null)
    if spec.share_pid:
        _hide(empty)
    voice.ready()
    while True:
        _wait()


def _make_namespaces(spec: SandboxSpec, share_net_of: int) -> None:
    flags = syscalls.CLONE_NEWUTS
    if spec.kind is SandboxKind.POD:
        flags |= syscalls.CLONE_NEWIPC
    if share_net_of:
        syscalls.join_namespaces(share_net_of, ("net",))
    elif spec.netns_path:
        syscalls.join_namespace(spec.netns_path)
    else:
        flags |= syscalls.CLONE_NEWNET
    syscalls.unshare(flags)
    socket.sethostname(spec.hostname)


def raise_loopback() -> None:
    """Set `lo` of this network namespace up."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as handle:
        answer = fcntl.ioctl(handle, _SIOCGIFFLAGS, _REQUEST.pack(b"lo", 0))
        _, flags = _REQUEST.unpack(answer)
        fcntl.ioctl(handle, _SIOCSIFFLAGS, _REQUEST.pack(b"lo", flags | _IFF_UP))


def set_sysctl(name: str, value: str) -> None:
    """Write one sysctl of this process' namespaces: `net.ipv4.ip_forward`."""
    path = f"/proc/sys/{name.replace('.', '/')}"
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        raise StartError(f"sysctl {name}: this kernel has none of that name") from None
    try:
        os.write(fd, value.encode())
    except OSError as error:
        raise StartError(f"sysctl {name} = {value}: {error.strerror}", error.errno or 0) from error
    finally:
        os.close(fd)


def _hide(empty: str) -> None:
    """Leave nothing to find or to borrow for those who share its processes.

    One with CAP_SYS_PTRACE gets behind /proc/1/root, from where `..` leads out of a mere
    chroot, and can make this process do what it may do itself.
    """
    syscalls.prctl(syscalls.PR_SET_DUMPABLE, 0)
    syscalls.unshare(syscalls.CLONE_NEWNS)
    syscalls.mount("", "/", flags=syscalls.MS_REC | syscalls.MS_PRIVATE)
    syscalls.mount("netemu", empty, "tmpfs", syscalls.MS_RDONLY | syscalls.MS_NODEV)
    os.chdir(empty)
    syscalls.pivot_root(".", ".")
    syscalls.unmount(".")
    os.chdir("/")
    give_up_all_powers()


def _wait() -> None:
    signal.sigwait(_ENDED)
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
