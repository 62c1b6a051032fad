"""qemu's command line: a machine with a disk, a cargo and some wires, and no network.

The disk is never changed: what the machine writes goes to a file without a name that ends
with it. The cargo is an archive that is read as a disk. The wires are sockets that both
ends hold: what the command prints, how it ended, and a terminal.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

STREAMS = ("stdout", "stderr", "status", "terminal")
"""The wires, by name; the last is a terminal, the others carry bytes as they are."""
_KERNEL = "console=ttyS0 quiet panic=-1 systemd.show_status=0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """One virtual machine."""

    kernel: str
    initramfs: str
    disk: str
    cargo: str
    console: str
    """The file that gets what the kernel and systemd say."""
    wires: Mapping[str, int]
    """Stream → descriptor of our end's other end."""
    cpus: int = 2
    memory_mb: int = 2048
    kvm: bool = False
    may_reboot: bool = False


def qemu_arguments(machine: Machine) -> list[str]:
    """Return the command line."""
    argv = ["qemu-system-x86_64", "-name", "netemu", "-nodefaults", "-no-user-config"]
    argv += ["-display", "none", "-monitor", "none", "-nic", "none"]
    argv += _processors(machine)
    argv += ["-m", str(machine.memory_mb)]
    argv += ["-kernel", machine.kernel, "-initrd", machine.initramfs, "-append", _KERNEL]
    argv += _drive("root", machine.disk, "snapshot=on")
    argv += _drive("cargo", machine.cargo, "readonly=on")
    argv += ["-chardev", f"file,id=console,path={_quoted(machine.console)}"]
    argv += ["-serial", "chardev:console"]
    argv += ["-device", "virtio-serial-pci", "-device", "virtio-rng-pci"]
    for stream in STREAMS:
        argv += _wire(stream, machine.wires[stream])
    if not machine.may_reboot:
        argv.append("-no-reboot")
    return argv


def _processors(machine: Machine) -> list[str]:
    how = ["kvm", "host"] if machine.kvm else ["tcg,thread=multi", "max"]
    return ["-accel", how[0], "-cpu", how[1], "-smp", str(machine.cpus)]


def _drive(name: str, path: str, how: str) -> list[str]:
    drive = f"file={_quoted(path)},id={name},if=none,format=raw,{how}"
    return ["-drive", drive, "-device", f"virtio-blk-pci,drive={name},serial={name}"]


def _wire(stream: str, descriptor: int) -> list[str]:
    device = "virtconsole" if stream == "terminal" else "virtserialport"
    return [
        *("-chardev", f"socket,id={stream},fd={descriptor}"),
        *("-device", f"{device},chardev={stream},name=netemu.{stream}"),
    ]


def _quoted(path: str) -> str:
    """Return a path as an option's value: qemu wants commas doubled."""
    return path.replace(",", ",,")
