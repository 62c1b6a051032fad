"""A container's view of files: its root, /proc, /sys, /dev and its volumes.

`Stage` is the zygote's: a tmpfs in its private mount namespace with the masks, the
Pods' shared memory and a place to mount roots at. `enter_root` runs in the child,
in a mount namespace of its own. It pivots first and mounts the rest afterwards,
with the old root as its working directory: targets are resolved in the new root, so
that no link in it leads out, sources in the old.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
from collections.abc import Iterator

from netemu.host.zygote import syscalls
from netemu.host.zygote.children import StartError
from netemu.host.zygote.layers import Layer, make_layers, mount_copies
from netemu.host.zygote.syscalls import (
    MS_BIND,
    MS_NODEV,
    MS_NOEXEC,
    MS_NOSUID,
    MS_RDONLY,
    MS_REC,
    MS_REMOUNT,
)
from netemu.model.runtime import ContainerSpec, Mount

_HARMLESS = MS_NOSUID | MS_NODEV | MS_NOEXEC

MASKED = (
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
)
READ_ONLY = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")
_OWN = ("/proc/net", "/proc/self", "/proc/thread-self", "/proc/mounts")
_DEVICES = {
    "null": (1, 3),
    "zero": (1, 5),
    "full": (1, 7),
    "random": (1, 8),
    "urandom": (1, 9),
    "tty": (5, 0),
}
_LINKS = {
    "fd": "/proc/self/fd",
    "stdin": "/proc/self/fd/0",
    "stdout": "/proc/self/fd/1",
    "stderr": "/proc/self/fd/2",
    "core": "/proc/kcore",
    "ptmx": "pts/ptmx",
}


class Stage:
    """What is made once and used by every container."""

    def __init__(self, folder: str, *, unified_cgroups: bool) -> None:
        self.unified_cgroups = unified_cgroups
        self._folder = folder
        self.root = f"{folder}/root"
        self.scratch = f"{folder}/scratch"
        self.empty = f"{folder}/empty"
        self._shm = f"{folder}/shm"
        os.makedirs(folder, exist_ok=True)
        syscalls.mount("netemu", folder, "tmpfs", MS_NOSUID, "mode=700")
        for path in (self.root, self.scratch, self.empty, self._shm, f"{folder}/masks"):
            os.mkdir(path)
        self.layers: tuple[Layer, ...] = make_layers(f"{folder}/masks")
        self.masked = tuple(path for path in MASKED if os.path.lexists(path))
        self.read_only = tuple(dict.fromkeys((*_existing(READ_ONLY), *_writable_in_proc())))

    def shared_memory(self, sandbox: str) -> str:
        """Return the folder behind the /dev/shm of a Pod's containers."""
        path = f"{self._shm}/{sandbox.replace('/', '_')}"
        with contextlib.suppress(FileExistsError):
            os.mkdir(path)
            os.chmod(path, 0o1777)
        return path

    def forget(self, sandbox: str) -> None:
        shutil.rmtree(f"{self._shm}/{sandbox.replace('/', '_')}", ignore_errors=True)

    def remove(self) -> None:
        with contextlib.suppress(OSError):
            syscalls.unmount(self._folder)
            os.rmdir(self._folder)


def _existing(paths: tuple[str, ...]) -> Iterator[str]:
    return (path for path in paths if os.path.lexists(path))


def _writable_in_proc() -> Iterator[str]:
    """Yield what else root may write in this kernel's /proc: it would be the host's."""
    for entry in os.scandir("/proc"):
        if entry.name.isdigit() or entry.path in (*_OWN, *MASKED) or entry.is_symlink():
            continue
        # Folders are few (driver, dynamic_debug, pressure …) and may hold such files.
        if entry.is_dir() or entry.stat().st_mode & stat.S_IWUSR:
            yield entry.path


def enter_root(spec: ContainerSpec, stage: Stage, *, hostname: str) -> None:
    """Make the container's root and live in it; for good."""
    shared_memory = stage.shared_memory(spec.sandbox)
    sources = [os.path.realpath(mount.source)[1:] for mount in spec.mounts]
    # Slave, not private: a volume may ask to see what the host mounts in it later.
    syscalls.mount("", "/", flags=MS_REC | syscalls.MS_SLAVE)
    mount_copies(stage.layers, root=stage.root, scratch=stage.scratch, lower=spec.rootfs)
    old = os.open("/", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    os.chdir(stage.root)
    syscalls.pivot_root(".", ".")
    os.fchdir(old)
    os.close(old)
    _mount_kernel_views(spec, stage)
    _furnish_dev(shared_memory[1:])
    if not spec.rootfs and all(mount.target != "/etc/hostname" for mount in spec.mounts):
        _name_host(hostname)
    for mount, source in zip(spec.mounts, sources, strict=True):
        _mount_volume(mount, source)
    syscalls.unmount(".")
    os.chdir("/")
    if spec.read_only_root:
        for layer in stage.layers[:1] if spec.rootfs else stage.layers:
            _remount_read_only(layer.point, MS_NODEV)


def _mount_kernel_views(spec: ContainerSpec, stage: Stage) -> None:
    for path in ("/proc", "/sys", "/dev"):
        os.makedirs(path, exist_ok=True)
    guard = 0 if spec.privileged else MS_RDONLY
    syscalls.mount("proc", "/proc", "proc", _HARMLESS)
    syscalls.mount("sysfs", "/sys", "sysfs", _HARMLESS | guard)
    if stage.unified_cgroups:
        # Already in a cgroup namespace of its own: it sees its own group as the root.
        with contextlib.suppress(OSError):
            syscalls.mount("cgroup", "/sys/fs/cgroup", "cgroup2", _HARMLESS | guard)
    if spec.privileged:
        return
    for path in stage.read_only:
        syscalls.mount(path, path, flags=MS_BIND | MS_REC)
        _remount_read_only(path, _HARMLESS)
    for path in stage.masked:
        if os.path.isdir(path):
            syscalls.mount(stage.empty[1:], path, flags=MS_BIND)
            _remount_read_only(path, _HARMLESS)
        else:
            syscalls.mount("dev/null", path, flags=MS_BIND)
            _remount_read_only(path, MS_NOSUID | MS_NOEXEC)


def _remount_read_only(path: str, flags: int) -> None:
    syscalls.mount("", path, flags=MS_REMOUNT | MS_BIND | MS_RDONLY | flags)


def _furnish_dev(shared_memory: str) -> None:
    """Fill /dev with nodes of the container's own: it may chmod them without harm."""
    syscalls.mount("tmpfs", "/dev", "tmpfs", MS_NOSUID, "mode=755,size=64k")
    for name, (major, minor) in _DEVICES.items():
        _make_device(name, os.makedev(major, minor))
    for name, target in _LINKS.items():
        os.symlink(target, f"/dev/{name}")
    os.mkdir("/dev/pts")
    data = "newinstance,ptmxmode=0666,mode=0620,gid=5"
    syscalls.mount("devpts", "/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, data)
    os.mkdir("/dev/shm")
    syscalls.mount(shared_memory, "/dev/shm", flags=MS_BIND)
    syscalls.mount("", "/dev/shm", flags=MS_REMOUNT | MS_BIND | _HARMLESS)
    os.mkdir("/dev/mqueue")
    with contextlib.suppress(OSError):  # A kernel without POSIX message queues.
        syscalls.mount("mqueue", "/dev/mqueue", "mqueue", _HARMLESS)


def _make_device(name: str, device: int) -> None:
    path = f"/dev/{name}"
    try:
        os.mknod(path, stat.S_IFCHR | 0o666, device)
        os.chmod(path, 0o666)
    except PermissionError:
        # Where making nodes is forbidden the host's are lent, safe from chmod.
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o666))
        syscalls.mount(f"dev/{name}", path, flags=MS_BIND)
        _remount_read_only(path, MS_NOSUID | MS_NOEXEC)


def _name_host(hostname: str) -> None:
    with contextlib.suppress(OSError):
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
        fd = os.open("/etc/hostname", flags, 0o644)
        os.write(fd, f"{hostname}\n".encode())
        os.close(fd)


def _mount_volume(mount: Mount, source: str) -> None:
    # The old root is the working directory: a source without its slash is there.
    target = os.path.realpath(mount.target)
    if mount.sub_path:
        # The old /proc: a volume may hide the new one.
        source = f"proc/self/fd/{_open_sub_path(source or '.', mount.sub_path)}"
    is_folder = mount.tmpfs or os.path.isdir(source or ".")
    if not mount.tmpfs and not os.path.lexists(source or "."):
        raise StartError(f"mount {mount.target}: no such file or directory: /{source}")
    _make_target(target, is_folder=is_folder)
    if mount.tmpfs:
        size = f",size={mount.size_bytes}" if mount.size_bytes else ""
        syscalls.mount("tmpfs", target, "tmpfs", MS_NOSUID | MS_NODEV, f"mode=1777{size}")
    else:
        syscalls.mount(source or ".", target, flags=MS_BIND | MS_REC)
        if not mount.propagation:
            syscalls.mount("", target, flags=MS_REC | syscalls.MS_PRIVATE)
    if mount.read_only:
        # statvfs' bits for nosuid, nodev and noexec are those of mount.
        _remount_read_only(target, os.statvfs(target).f_flag & _HARMLESS)


def _open_sub_path(volume: str, path: str) -> int:
    """Open what is to be mounted of a volume; make the folders that are missing.

    The volume's links are a container's, and this is the host's root: none may be
    followed out of the volume, not even one that changes while we look.
    """
    folder = os.open(volume, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        return _open_or_make(folder, path)
    except OSError as error:
        raise StartError(f"subPath {path}: {error.strerror}", error.errno or 0) from error
    finally:
        os.close(folder)


def _open_or_make(folder: int, path: str) -> int:
    try:
        return syscalls.open_beneath(folder, path)
    except FileNotFoundError:
        above, name = os.path.split(path.rstrip("/"))
        parent = _open_or_make(folder, above or ".")
        try:
            os.mkdir(name, 0o755, dir_fd=parent)
        finally:
            os.close(parent)
        return syscalls.open_beneath(folder, path)


def _make_target(target: str, *, is_folder: bool) -> None:
    if os.path.lexists(target):
        return
    if is_folder:
        os.makedirs(target, exist_ok=True)
        return
    os.makedirs(os.path.dirname(target), exist_ok=True)
    os.close(os.open(target, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o644))
