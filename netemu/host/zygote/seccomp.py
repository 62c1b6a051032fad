"""A filter of system calls: `seccompProfile: RuntimeDefault`.

It refuses what container runtimes refuse by default: calls that concern the whole kernel
(modules, kexec, clocks, swap, keys, raw I/O), that have a history of holes, or that make
namespaces. A capability that a container was given gives it the calls that go with it.
"""

from __future__ import annotations

import ctypes
import errno
import platform
import struct
from collections.abc import Collection

from netemu.host.zygote import syscalls
from netemu.host.zygote.children import StartError

_CALLS = """
acct               163  89 SYS_PACCT
add_key            248 217 -
bpf                321 280 SYS_ADMIN,BPF
clock_adjtime      305 266 SYS_TIME
clock_settime      227 112 SYS_TIME
delete_module      176 106 SYS_MODULE
finit_module       313 273 SYS_MODULE
fsconfig           431 431 SYS_ADMIN
fsmount            432 432 SYS_ADMIN
fsopen             430 430 SYS_ADMIN
fspick             433 433 SYS_ADMIN
init_module        175 105 SYS_MODULE
io_uring_enter     426 426 -
io_uring_register  427 427 -
io_uring_setup     425 425 -
ioperm             173   - SYS_RAWIO
iopl               172   - SYS_RAWIO
kexec_file_load    320 294 SYS_BOOT
kexec_load         246 104 SYS_BOOT
keyctl             250 219 -
lookup_dcookie     212  18 SYS_ADMIN
mount              165  40 SYS_ADMIN
mount_setattr      442 442 SYS_ADMIN
move_mount         429 429 SYS_ADMIN
open_by_handle_at  304 265 DAC_READ_SEARCH
open_tree          428 428 SYS_ADMIN
perf_event_open    298 241 SYS_ADMIN,PERFMON
pivot_root         155  41 SYS_ADMIN
quotactl           179  60 SYS_ADMIN
reboot             169 142 SYS_BOOT
request_key        249 218 -
setns              308 268 SYS_ADMIN
settimeofday       164 170 SYS_TIME
swapoff            168 225 SYS_ADMIN
swapon             167 224 SYS_ADMIN
umount2            166  39 SYS_ADMIN
unshare            272  97 SYS_ADMIN
userfaultfd        323 282 -
"""
"""Name, number on x86_64 and on aarch64, the capabilities each of which allows it."""

_MACHINES = {"x86_64": (0, 0xC000003E, 56), "aarch64": (1, 0xC00000B7, 220)}
"""Column, AUDIT_ARCH, number of clone."""
_CLONE3 = 435
_X32 = 0x40000000
_NEW_NAMESPACES = 0x7E020000

_LOAD, _JUMP_EQUAL, _JUMP_AT_LEAST, _JUMP_ANY, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER_AT, _ARCH_AT, _FIRST_ARGUMENT_AT = 0, 4, 16
_ALLOW = 0x7FFF0000
_REFUSE = 0x00050000 | errno.EPERM
_UNKNOWN = 0x00050000 | errno.ENOSYS

_PR_SET_SECCOMP = 22
_FILTER_MODE = 2
_Step = tuple[int, int, int, int]


def refuse_system_calls(capabilities: Collection[str]) -> None:
    """Filter this process' calls and those of all that it starts, for good."""
    machine = _MACHINES.get(platform.machine())
    if machine is None:
        known = " and ".join(_MACHINES)
        raise StartError(f"seccompProfile RuntimeDefault: there is a filter for {known} only")
    column, arch, clone = machine
    may_clone = "SYS_ADMIN" in capabilities
    refused = _refused(column, capabilities)
    steps = make_filter(refused, arch=arch, clone=None if may_clone else clone)
    code = b"".join(struct.pack("=HBBI", *step) for step in steps)
    buffer = ctypes.create_string_buffer(code, len(code))
    program = struct.pack("@HP", len(steps), ctypes.addressof(buffer))
    holder = ctypes.create_string_buffer(program, len(program))
    syscalls.prctl(_PR_SET_SECCOMP, _FILTER_MODE, ctypes.addressof(holder))


def _refused(column: int, capabilities: Collection[str]) -> list[int]:
    numbers = []
    for line in _CALLS.split("\n"):
        if line:
            _, *by_machine, allowing = line.split()
            if by_machine[column] != "-" and not set(allowing.split(",")) & set(capabilities):
                numbers.append(int(by_machine[column]))
    return numbers


def make_filter(refused: list[int], *, arch: int, clone: int | None) -> list[_Step]:
    """Return the program; `clone` is that call's number if it may make no namespaces."""
    steps: list[_Step] = [
        (_LOAD, 0, 0, _ARCH_AT),
        # Calls of another architecture have other numbers: none is let through.
        (_JUMP_EQUAL, 1, 0, arch),
        (_RETURN, 0, 0, _REFUSE),
        (_LOAD, 0, 0, _NUMBER_AT),
        (_JUMP_AT_LEAST, 0, 1, _X32),
        (_RETURN, 0, 0, _REFUSE),
    ]
    for number in refused:
        steps += [(_JUMP_EQUAL, 0, 1, number), (_RETURN, 0, 0, _REFUSE)]
    if clone is not None:
        # Its flags lie in memory, where a filter cannot look: libraries take clone then.
        steps += [(_JUMP_EQUAL, 0, 1, _CLONE3), (_RETURN, 0, 0, _UNKNOWN)]
        steps += [
            (_JUMP_EQUAL, 0, 3, clone),
            (_LOAD, 0, 0, _FIRST_ARGUMENT_AT),
            (_JUMP_ANY, 0, 1, _NEW_NAMESPACES),
            (_RETURN, 0, 0, _REFUSE),
        ]
    return [*steps, (_RETURN, 0, 0, _ALLOW)]
