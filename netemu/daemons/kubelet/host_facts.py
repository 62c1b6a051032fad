"""What all nodes of the cluster have from the one host: read once, shared by all kubelets."""

from __future__ import annotations

import os
from contextlib import suppress
from functools import cache

from netemu.core.kubelet.node import HostFacts

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "i686": "386"}
_SEARCH_PATH = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")


@cache
def observe() -> HostFacts:
    """Return the host's facts as they were when they were first asked for."""
    machine = os.uname()
    page = os.sysconf("SC_PAGE_SIZE")
    disk = os.statvfs("/")
    return HostFacts(
        cpus=os.cpu_count() or 1,
        memory_bytes=os.sysconf("SC_PHYS_PAGES") * page,
        storage_bytes=disk.f_blocks * disk.f_frsize,
        machine_id=_read("/etc/machine-id").strip(),
        system_uuid=_read("/sys/class/dmi/id/product_uuid").strip(),
        boot_id=_read("/proc/sys/kernel/random/boot_id").strip(),
        kernel_version=machine.release,
        os_image=_os_image(),
        architecture=_ARCHITECTURES.get(machine.machine, machine.machine),
        resolv_conf=_read("/etc/resolv.conf"),
        hosts=_read("/etc/hosts"),
    )


@cache
def has_program(name: str) -> bool:
    """Whether containers, which see the host's root, have a program of this name or path."""
    paths = [name] if "/" in name else [f"{directory}/{name}" for directory in _SEARCH_PATH]
    return any(os.path.isfile(path) and os.access(path, os.X_OK) for path in paths)


def _read(path: str) -> str:
    with suppress(OSError), open(path, encoding="utf-8", errors="replace") as file:
        return file.read()
    return ""


def _os_image() -> str:
    for line in _read("/etc/os-release").splitlines():
        if line.startswith("PRETTY_NAME="):
            return line.partition("=")[2].strip('"')
    return "Linux"
