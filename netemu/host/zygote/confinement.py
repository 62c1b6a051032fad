"""Who a container's process is and what it may do.

Capabilities are those that are asked for, in the bounding, permitted and effective
sets; the inheritable and ambient sets are empty (CVE-2022-24769). A process that is
not root keeps only the bounding set, as after an exec. CAP_MKNOD is taken from
every container that is not privileged: no device cgroup guards the host's disks.
"""

from __future__ import annotations

import contextlib
import os
import resource
from collections.abc import Iterable

from netemu.host.zygote import syscalls
from netemu.host.zygote.children import StartError
from netemu.host.zygote.seccomp import refuse_system_calls
from netemu.model.runtime import ContainerSpec

CAPABILITIES = (
    "CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP"
    " LINUX_IMMUTABLE NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER"
    " SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE"
    " SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP"
    " MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF"
    " CHECKPOINT_RESTORE"
).split()
"""By number: the first is 0 (capability.h)."""

_MOST_FILES = 1 << 20
_NUMBERS = {name: number for number, name in enumerate(CAPABILITIES)}


def capability_mask(spec: ContainerSpec) -> int:
    """Return the set that the container has, as bits."""
    if spec.privileged:
        return (1 << len(CAPABILITIES)) - 1
    unknown = [name for name in spec.capabilities if name not in _NUMBERS]
    if unknown:
        raise StartError(f"unknown capability {unknown[0]}")
    wanted = {name for name in spec.capabilities if name != "MKNOD"}
    return sum(1 << _NUMBERS[name] for name in wanted)


def known_to_kernel() -> int:
    """Return the capabilities that this process may hand on, as bits."""
    mask = 0
    for number in range(len(CAPABILITIES)):
        with contextlib.suppress(OSError):
            mask |= syscalls.prctl(syscalls.PR_CAPBSET_READ, number) << number
    return mask


def confine(spec: ContainerSpec, *, bounds: int) -> None:
    """Become the container's user, with its capabilities and no more, for good.

    `bounds` is what `known_to_kernel` returned: it is asked once, not in each child.
    """
    mask = capability_mask(spec) & bounds
    for number in _bits(bounds & ~mask):
        syscalls.prctl(syscalls.PR_CAPBSET_DROP, number)
    if spec.filters_system_calls and not spec.privileged:
        # While it still may: without CAP_SYS_ADMIN a filter would cost it its setuid programs.
        refuse_system_calls(spec.capabilities)
    os.setgroups(spec.groups)
    os.setresgid(spec.group_id, spec.group_id, spec.group_id)
    # While it is still root: this clears all sets when the user is another.
    os.setresuid(spec.user_id, spec.user_id, spec.user_id)
    if spec.user_id == 0:
        syscalls.set_capabilities(effective=mask, permitted=mask, inheritable=0)
    with contextlib.suppress(OSError):
        syscalls.prctl(syscalls.PR_CAP_AMBIENT, syscalls.PR_CAP_AMBIENT_CLEAR_ALL)
    if spec.no_new_privileges:
        syscalls.prctl(syscalls.PR_SET_NO_NEW_PRIVS, 1)
    # Another user than before is not dumpable: its own /proc/self/fd would be closed to it.
    syscalls.prctl(syscalls.PR_SET_DUMPABLE, 1)


def give_up_all_powers() -> None:
    """Keep no capability, and no way to get one by an exec."""
    for number in _bits(known_to_kernel()):
        syscalls.prctl(syscalls.PR_CAPBSET_DROP, number)
    syscalls.set_capabilities(effective=0, permitted=0, inheritable=0)


def _bits(mask: int) -> Iterable[int]:
    return (number for number in range(mask.bit_length()) if mask >> number & 1)


def limit(spec: ContainerSpec) -> None:
    """Set what is counted per process: open files, core dumps, the OOM killer's choice."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    # Not the billion that some hosts allow: there are programs that close them one by one.
    most = min(most, _MOST_FILES)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    # Lowering it needs CAP_SYS_RESOURCE, which a host that is itself a container lacks.
    with contextlib.suppress(PermissionError), open("/proc/self/oom_score_adj", "w") as file:
        file.write(str(spec.resources.oom_score_adj))
