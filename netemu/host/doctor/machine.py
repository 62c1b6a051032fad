"""What kind of machine this is, and what guards it."""

from __future__ import annotations

import os
import re
import shutil

from netemu.core.doctor import sights
from netemu.core.doctor.findings import Observation

_KVM = "/dev/kvm"
_VENDOR = "/sys/class/dmi/id/sys_vendor"
_LSM = "/sys/kernel/security/lsm"
_LOCKDOWN = "/sys/kernel/security/lockdown"
_SELINUX = "/sys/fs/selinux/enforce"
_APPARMOR = "/sys/kernel/security/apparmor/profiles"
_CAP_SYS_ADMIN = 1 << 21


def look() -> dict[str, Observation]:
    return {
        "machine": sights.see_machine(_kind(), privileged=_is_privileged()),
        "security modules": _security_modules(),
        "name servers": sights.see_name_servers(_read("/etc/resolv.conf")),
        "kvm": _kvm(),
        "qemu": _qemu(),
    }


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def _kind() -> str:
    """Return what systemd-detect-virt would say, a container before the machine below it."""
    told = re.search(r"(?:^|\0)container=([^\0]+)", _read("/proc/1/environ"))
    if told:
        return f"container ({told[1]})"
    for path, name in (("/.dockerenv", "docker"), ("/run/.containerenv", "podman")):
        if os.path.exists(path):
            return f"container ({name})"
    if "microsoft" in _read("/proc/sys/kernel/osrelease").lower():
        return "virtual machine (WSL)"
    if re.search(r"^flags.* hypervisor\b", _read("/proc/cpuinfo"), re.MULTILINE):
        vendor = _read(_VENDOR).strip()
        return f"virtual machine ({vendor})" if vendor else "virtual machine"
    return "no container, no virtual machine"


def _is_privileged() -> bool:
    found = re.search(r"^CapBnd:\s*([0-9a-f]+)", _read("/proc/self/status"), re.MULTILINE)
    return bool(found and int(found[1], 16) & _CAP_SYS_ADMIN)


def _security_modules() -> Observation:
    modules = [name for name in _read(_LSM).strip().split(",") if name]
    strict = []
    if _read(_SELINUX).strip() == "1":
        strict.append("SELinux is enforcing")
    if "(enforce)" in _read(_APPARMOR):
        strict.append("AppArmor enforces profiles")
    lockdown = re.search(r"\[(\w+)\]", _read(_LOCKDOWN))
    if lockdown and lockdown[1] != "none":
        strict.append(f"kernel lockdown: {lockdown[1]}")
    return Observation(not strict, ", ".join(strict or modules) or "none")


def _kvm() -> Observation:
    if not os.path.exists(_KVM):
        return Observation(False, f"there is no {_KVM}")
    if not os.access(_KVM, os.R_OK | os.W_OK):
        return Observation(False, f"{_KVM} is not yours to use")
    return Observation(True)


def _qemu() -> Observation:
    missing = [p for p in ("qemu-system-x86_64", "mmdebstrap") if shutil.which(p) is None]
    return Observation(not missing, f"without {', '.join(missing)}" if missing else "")
