"""A container's view of files: its root, /proc, /sys, /dev and its volumes.

`Stage` is the zygote's: a tmpfs in its private mount namespace with the masks, the
Pods' shared memory and a place to mount roots at. `enter_root` runs in the child,
in a mount namespace of its own. It pivots first, with the old root as its working
directory: sources are found there. Volumes are mounted when that is gone, by
descriptors: no link of a container leads out, whenever it changes.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence

from netemu.host.zygote import syscalls
from netemu.host.zygote.children import StartError
from netemu.host.zygote.furniture import layer_of
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
        self._furniture = f"{folder}/furniture"
        made = (self.root, self.scratch, self.empty, self._shm, self._furniture)
        for path in (*made, f"{folder}/masks"):
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

    def furniture(self, image: str) -> str:
        """Return the layer that a built-in image puts on a root."""
        return layer_of(image, self._furniture)

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


def copy_late_mounts(mounts: Sequence[Mount], host: int) -> dict[str, int]:
    """Copy what was mounted after the zygote began, by target.

    `host` is the host's mount namespace: what comes there late is not seen in ours, but
    where the host shares its mounts, as systemd has it.
    """
    late = [mount for mount in mounts if mount.mounted_late]
    if not late:
        return {}
    own = os.open("/proc/self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
    syscalls.setns(host, syscalls.CLONE_NEWNS)
    try:
        return {mount.target: _copy_source(mount, mount.source) for mount in late}
    finally:
        syscalls.setns(own, syscalls.CLONE_NEWNS)
        os.close(own)


def enter_root(
    spec: ContainerSpec,
    stage: Stage,
    *,
    hostname: str,
    late: Mapping[str, int],
    furniture: str,
) -> None:
    """Make the container's root and live in it; for good."""
    shared_memory = stage.shared_memory(spec.sandbox)
    sources = [os.path.realpath(mount.source)[1:] for mount in spec.mounts]
    # Slave, not private: a volume may ask to see what the host mounts in it later.
    syscalls.mount("", "/", flags=MS_REC | syscalls.MS_SLAVE)
    mount_copies(
        stage.layers,
        root=stage.root,
        scratch=stage.scratch,
        lower=spec.rootfs,
        furniture=furniture,
    )
    old = os.open("/", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    os.chdir(stage.root)
    syscalls.pivot_root(".", ".")
    os.fchdir(old)
    os.close(old)
    _mount_kernel_views(spec, stage)
    _furnish_dev(shared_memory[1:])
    if not spec.rootfs and all(mount.target != "/etc/hostname" for mount in spec.mounts):
        _name_host(hostname)
    copies = [
        -1 if mount.tmpfs else late.get(mount.target) or _copy_source(mount, source or ".")
        for mount, source in zip(spec.mounts, sources, strict=True)
    ]
    _leave_old_root()
    for mount, copy in zip(spec.mounts, copies, strict=True):
        if mount.tmpfs:
            _mount_tmpfs(mount)
        else:
            _mount_volume(mount, copy)
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


def _mount_tmpfs(mount: Mount) -> None:
    size = f",size={mount.size_bytes}" if mount.size_bytes else ""
    flags = MS_NOSUID | MS_NODEV | (MS_RDONLY if mount.read_only else 0)
    with _opened(_open_target(mount.target, is_folder=True)) as target:
        syscalls.mount("tmpfs", str(target), "tmpfs", flags, f"mode=1777{size}")


def _leave_old_root() -> None:
    """Go to where descriptors have names: a volume may hide the new /proc.

    The old root lies above the new one's `..`: no link of a container may be followed
    before it is gone.
    """
    descriptors = os.open("proc/self/fd", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    with _opened(descriptors):
        syscalls.unmount(".")
        os.fchdir(descriptors)


def _mount_volume(mount: Mount, volume: int) -> None:
    """Mount the copy of a volume.

    A container that shares a volume may bend links below it while this one is born, so
    everything goes by descriptors: what was opened is what is mounted, and changed.
    """
    with _opened(volume) as copy:
        is_folder = stat.S_ISDIR(os.fstat(copy).st_mode)
        with _opened(_open_target(mount.target, is_folder=is_folder)) as target:
            syscalls.move_mount(copy, target)
        if not mount.propagation:
            syscalls.mount("", str(copy), flags=MS_REC | syscalls.MS_PRIVATE)
        if mount.read_only:
            # statvfs' bits for nosuid, nodev and noexec are those of mount.
            _remount_read_only(str(copy), os.fstatvfs(copy).f_flag & _HARMLESS)


@contextlib.contextmanager
def _opened(descriptor: int) -> Iterator[int]:
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _copy_source(mount: Mount, source: str) -> int:
    try:
        found = os.open(source, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError as error:
        path = f"/{source.removeprefix('/')}"
        text = f"mount {mount.target}: no such file or directory: {path}"
        raise StartError(text, error.errno or 0) from None
    with _opened(found):
        if not mount.sub_path:
            return syscalls.copy_mount(found)
        with _opened(_open_sub_path(found, mount.sub_path)) as below:
            return syscalls.copy_mount(below)


def _open_sub_path(volume: int, path: str) -> int:
    """Open what is to be mounted of a volume; make the folders that are missing.

    The volume's links are a container's, and this is the host's root: none may be
    followed out of the volume, not even one that changes while we look.
    """
    try:
        return _open_or_make(volume, path, syscalls.open_beneath)
    except OSError as error:
        raise StartError(f"subPath {path}: {error.strerror}", error.errno or 0) from error


def _open_target(path: str, *, is_folder: bool) -> int:
    """Open where the volume goes, as the container sees it; make what is missing."""
    with _opened(os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)) as root:
        try:
            return _open_or_make(root, path, syscalls.open_in_root, is_folder=is_folder)
        except OSError as error:
            raise StartError(f"mount {path}: {error.strerror}", error.errno or 0) from error


def _open_or_make(
    folder: int, path: str, open_: Callable[[int, str], int], *, is_folder: bool = True
) -> int:
    try:
        return open_(folder, path)
    except FileNotFoundError:
        above, name = os.path.split(path.rstrip("/"))
        with _opened(_open_or_make(folder, above or ".", open_)) as parent:
            if is_folder:
                os.mkdir(name, 0o755, dir_fd=parent)
            else:
                flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC
                os.close(os.open(name, flags, 0o644, dir_fd=parent))
        return open_(folder, path)
