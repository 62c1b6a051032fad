"""A Pod's files on the host: its volumes, `/etc/hosts` and its kin, its logs.

What is secret or asks for memory lies below the cluster's run directory, which is a
tmpfs; what containers can write to, below its state directory, or in a tmpfs of its own
that holds no more than it may: nobody else's room can be filled.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from netemu.core.kubelet.container_spec import PodPaths
from netemu.core.kubelet.volumes import VolumeKind, VolumePlan
from netemu.daemons.kubelet import atomic_writer
from netemu.errors import HostError
from netemu.host.zygote import syscalls
from netemu.model.core_v1 import Pod

_EMPTY_DIRS = "volumes/kubernetes.io~empty-dir"
_TEXT_MAX = 64 << 10
"""Kubernetes reads no more of a file of variables."""


class PodDir:
    """Where one Pod's files are, and the writing of them."""

    def __init__(self, pod: Pod, *, state_dir: PurePosixPath, run_dir: PurePosixPath) -> None:
        meta = pod.metadata
        self._run = f"{run_dir}/pods/{meta.uid}"
        self._state = f"{state_dir}/pods/{meta.uid}"
        self._logs = f"{state_dir}/log/pods/{meta.namespace}_{meta.name}_{meta.uid}"
        context = pod.spec.security_context
        self._group = context.fs_group if context else None
        self._volumes: dict[str, str] = {}
        self._mounted: set[str] = set()
        """The volumes that are filesystems of their own."""
        self._made: set[str] = set()

    def write_etc(self, *, hosts: str, resolv_conf: str, hostname: str) -> None:
        """Write in place: containers hold mounts of these very files."""
        self._make(self._state)
        for name, text in (
            ("hosts", hosts),
            ("resolv.conf", resolv_conf),
            ("hostname", f"{hostname}\n"),
        ):
            with open(f"{self._state}/{name}", "w", encoding="utf-8") as file:
                file.write(text)

    def set_up(self, plan: VolumePlan, tokens: Mapping[str, bytes]) -> None:
        """Make the volume what the plan says; again and again changes only what differs."""
        if plan.kind is VolumeKind.HOST_PATH:
            _check_host_path(plan)
            self._volumes[plan.name] = plan.host_path
            return
        root = self._run if plan.in_memory or plan.kind is VolumeKind.FILES else self._state
        path = f"{root}/volumes/{plan.plugin}/{plan.name}"
        self._volumes[plan.name] = path
        if plan.kind is VolumeKind.EMPTY:
            if plan.in_memory:
                self._mount_empty(path, plan.mode, size_bytes=plan.size_bytes)
                self._mounted.add(plan.name)
            else:
                self._make_empty(path, plan.mode)
            return
        self._make(path)
        files = {name: (file.data, file.mode) for name, file in plan.files.items()}
        files |= {name: (tokens[name], token.mode) for name, token in plan.tokens.items()}
        atomic_writer.write(path, files, group=self._group)

    def _make(self, path: str) -> None:
        """Make a directory and those above it, with as few system calls as can be."""
        if path in self._made:
            return
        try:
            os.mkdir(path, mode=0o755)
        except FileNotFoundError:
            self._make(os.path.dirname(path))
            self._make(path)
        except FileExistsError:
            pass
        self._made.add(path)

    def _make_empty(self, path: str, mode: int) -> None:
        if os.path.isdir(path):
            return
        self._make(path)
        if self._group is not None:
            os.chown(path, -1, self._group)
        os.chmod(path, self._shared(mode))

    def _mount_empty(self, path: str, mode: int, *, size_bytes: int) -> None:
        if os.path.ismount(path):
            return
        self._make(path)
        options = [f"mode={self._shared(mode):o}"]
        options += [f"gid={self._group}"] if self._group is not None else []
        options += [f"size={size_bytes}"] if size_bytes else []
        flags = syscalls.MS_NOSUID | syscalls.MS_NODEV
        syscalls.mount("tmpfs", path, "tmpfs", flags, ",".join(options))

    def _shared(self, mode: int) -> int:
        return mode if self._group is None else mode | stat.S_ISGID

    def used_bytes(self, volume: str) -> int:
        """Return what a volume's files take up, as du counts it."""
        return _disk_usage(self._volumes[volume]) if volume in self._volumes else 0

    def read_text(self, volume: str, path: str) -> str | None:
        """Return the text of a volume's file; None if it is not there.

        Its folder is the containers': no link in it may lead us out of it.
        """
        if volume not in self._volumes:
            return None
        try:
            folder = os.open(self._volumes[volume], os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
            with contextlib.closing(_Descriptor(folder)):
                found = _Descriptor(syscalls.open_beneath(folder, path))
            with contextlib.closing(found):
                if not stat.S_ISREG(os.fstat(found.number).st_mode):
                    return None
                with open(f"/proc/self/fd/{found.number}", "rb") as file:
                    return file.read(_TEXT_MAX).decode(errors="replace")
        except OSError:
            return None

    def paths(self, container: str, attempt: int) -> PodPaths:
        """Return the paths for one run, with an empty file for its last words."""
        last_words = self.last_words(container, attempt)
        self._make(os.path.dirname(last_words))
        with open(last_words, "w", encoding="utf-8"):
            os.chmod(last_words, 0o666)  # The container may be anybody.
        log = self.log(container, attempt)
        self._make(os.path.dirname(log))
        with open(log, "a", encoding="utf-8"):
            pass  # Readers may come before the first line.
        return PodPaths(
            hosts=f"{self._state}/hosts",
            resolv_conf=f"{self._state}/resolv.conf",
            hostname=f"{self._state}/hostname",
            volumes=self._volumes,
            mounted=self._mounted,
            termination_message=last_words,
            log=log,
        )

    def last_words(self, container: str, attempt: int) -> str:
        return f"{self._state}/containers/{container}/{attempt}"

    def log(self, container: str, attempt: int) -> str:
        return f"{self._logs}/{container}/{attempt}.log"

    def remove_log(self, container: str, attempt: int) -> None:
        if os.path.exists(path := self.log(container, attempt)):
            os.unlink(path)

    def remove_volumes(self) -> None:
        """Remove everything but the logs."""
        self._made.clear()
        remove_folder(self._run)
        remove_folder(self._state)

    def remove(self) -> None:
        """Remove everything."""
        self.remove_volumes()
        remove_folder(self._logs)


@dataclass(frozen=True, slots=True)
class _Descriptor:
    number: int

    def close(self) -> None:
        os.close(self.number)


def _disk_usage(folder: str) -> int:
    total = 0
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            with contextlib.suppress(OSError):  # It went while we looked.
                total += entry.stat(follow_symlinks=False).st_blocks * 512
                if entry.is_dir(follow_symlinks=False):
                    total += _disk_usage(entry.path)
    return total


def remove_folder(path: str) -> None:
    """Remove one of a Pod's folders, with the filesystems in memory that are mounted in it."""
    with contextlib.suppress(FileNotFoundError), os.scandir(f"{path}/{_EMPTY_DIRS}") as entries:
        for entry in entries:
            with contextlib.suppress(OSError):  # It is a plain folder.
                syscalls.unmount(entry.path)
    shutil.rmtree(path, ignore_errors=True)


def folders_of_all(*, state_dir: PurePosixPath, run_dir: PurePosixPath) -> dict[str, list[str]]:
    """Return the folders of every Pod that there are any of, by its UID."""
    folders: dict[str, list[str]] = {}
    for root in (f"{run_dir}/pods", f"{state_dir}/pods", f"{state_dir}/log/pods"):
        with contextlib.suppress(FileNotFoundError):
            for name in os.listdir(root):
                folders.setdefault(name.rpartition("_")[2], []).append(f"{root}/{name}")
    return folders


_CHECKS = {
    "Directory": (stat.S_ISDIR, "is not a directory"),
    "File": (stat.S_ISREG, "is not a file"),
    "Socket": (stat.S_ISSOCK, "is not a socket"),
    "CharDevice": (stat.S_ISCHR, "is not a character device"),
    "BlockDevice": (stat.S_ISBLK, "is not a block device"),
}


def _check_host_path(plan: VolumePlan) -> None:
    """Make or check the host's path as its type asks for."""
    path, kind = plan.host_path, plan.host_path_type
    if kind == "DirectoryOrCreate":
        os.makedirs(path, mode=0o755, exist_ok=True)
    elif kind == "FileOrCreate":
        with open(path, "a", encoding="utf-8"):
            pass
    elif kind in _CHECKS:
        check, complaint = _CHECKS[kind]
        if not os.path.exists(path) or not check(os.stat(path).st_mode):
            raise HostError(f"hostPath type check failed: {path} {complaint}")
    elif not os.path.exists(path):
        # The container runtime of a real node makes a directory, too.
        os.makedirs(path, mode=0o755, exist_ok=True)
