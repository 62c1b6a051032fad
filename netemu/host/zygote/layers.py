"""What of the host a container sees: its real filesystems, behind a mask.

A container's root is an overlay over the host's `/`. Overlayfs does not show what
is mounted below its lower directory, so each real filesystem of the host (a `/usr`
or `/var` of its own) gets an overlay of its own. In front of each stands a mask: a
lower directory with opaque directories and whiteouts that hide what is secret, what
is the host's own business, and what would be confusing in a Pod.
"""

from __future__ import annotations

import contextlib
import glob
import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass

from netemu.host.zygote import syscalls

EMPTY_FOLDERS = {
    "/root": 0o700,
    "/home": 0o755,
    "/run": 0o755,
    "/boot": 0o755,
    "/mnt": 0o755,
    "/media": 0o755,
    "/tmp": 0o1777,
    "/var/tmp": 0o1777,
    "/var/backups": 0o755,
    "/var/log": 0o755,
    "/var/mail": 0o755,
    "/var/spool/cron": 0o755,
    "/var/lib/netemu": 0o700,
    "/var/lib/docker": 0o700,
    "/var/lib/containerd": 0o700,
    "/var/lib/containers": 0o700,
    "/var/lib/kubelet": 0o700,
    "/var/lib/etcd": 0o700,
    "/var/lib/sudo": 0o700,
    "/var/lib/systemd": 0o755,
    "/etc/ssl/private": 0o710,
    "/etc/sudoers.d": 0o750,
    "/etc/kubernetes": 0o755,
    "/etc/wireguard": 0o700,
    "/etc/NetworkManager": 0o755,
    "/etc/netplan": 0o755,
    "/etc/wpa_supplicant": 0o755,
    "/etc/ppp": 0o755,
    "/etc/letsencrypt": 0o700,
    "/vagrant": 0o755,
}
"""Seen empty, and writable as far as their mode goes."""

HIDDEN_FILES = (
    "/etc/shadow*",
    "/etc/gshadow*",
    "/etc/security/opasswd*",
    "/etc/sudoers",
    "/etc/ssh/ssh_host_*",
    "/etc/krb5.keytab",
    "/swapfile",
    "/swap.img",
)

_SHOWN = {"ext2", "ext3", "ext4", "xfs", "btrfs", "zfs", "f2fs", "bcachefs", "overlay", "nfs"}
_SHOWN |= {"nfs4", "virtiofs", "9p", "squashfs", "erofs"}
_ELSEWHERE = ("/proc", "/sys", "/dev")


@dataclass(frozen=True, slots=True)
class Layer:
    """One filesystem of the host and its mask."""

    point: str
    """Where it is mounted: `/`, `/usr`."""
    mask: str
    """Lower directory in front of it; empty for a single file, which is bound read-only."""


def make_layers(folder: str) -> tuple[Layer, ...]:
    """Make a mask below `folder` for each filesystem that containers shall see."""
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
        points = shown_points(file.read().splitlines())
    return tuple(_make_layer(point, f"{folder}/{n}", points) for n, point in enumerate(points))


def shown_points(lines: Iterable[str]) -> list[str]:
    """Return the mount points to show, outer before inner, `/` first."""
    points = {"/"}
    for line in lines:
        mount, _, filesystem = line.partition(" - ")
        point = _unescape(mount.split(" ")[4])
        if filesystem.split(" ")[0] in _SHOWN and not _below(point, (*EMPTY_FOLDERS, *_ELSEWHERE)):
            points.add(point)
    return sorted(points)


def _unescape(path: str) -> str:
    """Undo mountinfo's octal escapes of blanks."""
    return path.replace(r"\040", " ").replace(r"\011", "\t").replace(r"\134", "\\")


def _below(path: str, folders: Iterable[str]) -> bool:
    return any(path == folder or path.startswith(f"{folder}/") for folder in folders)


def _make_layer(point: str, mask: str, points: list[str]) -> Layer:
    if not os.path.isdir(point):
        return Layer(point, "")
    os.mkdir(mask)
    _copy_attributes(point, mask)
    for path, mode in EMPTY_FOLDERS.items():
        if _layer_of(path, points) == point and (os.path.isdir(path) or path == "/run"):
            _make_opaque(_place(point, mask, path), mode)
    for pattern in HIDDEN_FILES:
        for path in glob.glob(pattern):
            if _layer_of(path, points) == point:
                os.mknod(_place(point, mask, path), stat.S_IFCHR, 0)
    if point == "/":
        _furnish(mask)
    return Layer(point, mask)


def _layer_of(path: str, points: list[str]) -> str:
    return max((p for p in points if _below(path, [p.rstrip("/")])), key=len)


def _place(point: str, mask: str, path: str) -> str:
    """Return where `path` goes in the mask, with its parents made as the host's are."""
    relative = os.path.relpath(path, point)
    parent, seen = mask, point.rstrip("/")
    for part in relative.split("/")[:-1]:
        parent, seen = f"{parent}/{part}", f"{seen}/{part}"
        if not os.path.isdir(parent):
            os.mkdir(parent)
            _copy_attributes(seen, parent)
    return f"{parent}/{os.path.basename(relative)}"


def _copy_attributes(source: str, target: str) -> None:
    """Give `target` the owner and mode of `source`: the upper layer's are what counts."""
    with contextlib.suppress(FileNotFoundError):
        status = os.stat(source)
        os.chown(target, status.st_uid, status.st_gid)
        os.chmod(target, stat.S_IMODE(status.st_mode))


def _make_opaque(path: str, mode: int) -> None:
    os.makedirs(path, exist_ok=True)
    os.chmod(path, mode)
    os.setxattr(path, "trusted.overlay.opaque", b"y")


def _furnish(mask: str) -> None:
    """Put into the empty `/run` what programs take for granted there."""
    for name, mode in {"lock": 0o1777, "shm": 0o1777}.items():
        os.mkdir(f"{mask}/run/{name}")
        os.chmod(f"{mask}/run/{name}", mode)


def mount_copies(
    layers: Iterable[Layer],
    *,
    root: str,
    scratch: str,
    lower: str = "",
    furniture: str = "",
    quota: str = "50%",
) -> None:
    """Mount a writable copy of the host (or of `lower`) at `root`, furnished.

    What is written goes to a tmpfs at `scratch`. It belongs to the container's mount
    namespace alone, so that it is gone, unswept, when the last process is.
    """
    syscalls.mount("tmpfs", scratch, "tmpfs", syscalls.MS_NODEV, f"mode=755,size={quota}")
    front = [furniture] if furniture else []
    if lower:
        _mount_overlay([*front, lower], root, f"{scratch}/0")
        return
    for number, layer in enumerate(layers):
        target = root if layer.point == "/" else f"{root}{layer.point}"
        if layer.mask:
            lowers = [layer.mask, layer.point]
            _mount_overlay(lowers if number else [*front, *lowers], target, f"{scratch}/{number}")
        else:
            _bind_read_only(layer.point, target)


def _mount_overlay(lowers: list[str], target: str, scratch: str) -> None:
    os.mkdir(scratch)
    upper, work = f"{scratch}/upper", f"{scratch}/work"
    os.mkdir(upper)
    os.mkdir(work)
    _copy_attributes(lowers[-1], upper)
    lower = ":".join(path.replace("\\", "\\\\").replace(":", "\\:") for path in lowers)
    data = f"lowerdir={lower},upperdir={upper},workdir={work}"
    syscalls.mount("overlay", target, "overlay", syscalls.MS_NODEV, data)


def _bind_read_only(source: str, target: str) -> None:
    syscalls.mount(source, target, flags=syscalls.MS_BIND)
    flags = syscalls.MS_REMOUNT | syscalls.MS_BIND | syscalls.MS_RDONLY | syscalls.MS_NODEV
    syscalls.mount("", target, flags=flags)
