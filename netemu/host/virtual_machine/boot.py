"""One machine from power-on to power-off: its streams passed on, its end told.

qemu is a child that dies with us, its wires are sockets that only the two of us hold. The
boot is bounded; whoever waits in vain reads the last lines of the console.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import shutil
import socket
import subprocess
import sys
import termios
import time
import tty
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from netemu.core.virtual_machine.machine import STREAMS, Machine, qemu_arguments
from netemu.core.virtual_machine.order import Order
from netemu.errors import HostError
from netemu.host.virtual_machine import places
from netemu.host.virtual_machine.cargo import write_cargo
from netemu.host.virtual_machine.places import Image

BOOT_TIMEOUT_S = 180.0
"""Four seconds of a quiet machine's processor, fifteen under emulation; others may be busy."""
_FAREWELL_S = 20.0
_CHUNK = 64 << 10
_CONSOLE_LINES = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What machine is wanted, for how long."""

    cpus: int = 2
    memory_mb: int = 2048
    kvm: bool = False
    timeout_s: float | None = None
    boot_timeout_s: float = BOOT_TIMEOUT_S
    may_reboot: bool = False
    interactive: bool = False
    """What is typed goes to the machine's terminal."""
    files: Mapping[str, Path] = field(default_factory=dict)


def carry_out(image: Image, order: Order, wish: Wish) -> int:
    """Boot, carry out an order, pass on what it says; return its exit code."""
    folder = places.own_folder("run")
    try:
        write_cargo(folder / "cargo.tar", order, wish.files)
        with _powered_on(image, folder, wish) as machine, _keys(wish):
            return machine.converse()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _keys(wish: Wish) -> Iterator[None]:
    """Let keys go to the machine as they are, Ctrl-C included."""
    if not wish.interactive:
        yield
        return
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    tty.setraw(descriptor)
    try:
        yield
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


@contextlib.contextmanager
def _powered_on(image: Image, folder: Path, wish: Wish) -> Iterator[Conversation]:
    pairs = {stream: socket.socketpair() for stream in STREAMS}
    far_ends = {stream: far.fileno() for stream, (_, far) in pairs.items()}
    argv = qemu_arguments(
        Machine(
            kernel=str(image.kernel),
            initramfs=str(image.initramfs),
            disk=str(image.disk),
            cargo=str(folder / "cargo.tar"),
            console=str(folder / "console.log"),
            wires=far_ends,
            cpus=wish.cpus,
            memory_mb=wish.memory_mb,
            kvm=wish.kvm,
            may_reboot=wish.may_reboot,
        )
    )
    with (folder / "qemu.log").open("wb") as log:
        process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "nice", *argv],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=tuple(far_ends.values()),
            # What the machine writes goes to a nameless file in there.
            env=os.environ | {"TMPDIR": str(folder)},
            # Ctrl-C is for us; we end it.
            start_new_session=True,
        )
    for _, far in pairs.values():
        far.close()
    try:
        yield Conversation(process, {s: near for s, (near, _) in pairs.items()}, folder, wish)
    finally:
        process.kill()
        process.wait()
        for near, _ in pairs.values():
            near.close()


class Conversation:
    """Our ends of the wires of a machine that runs."""

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        wires: Mapping[str, socket.socket],
        folder: Path,
        wish: Wish,
    ) -> None:
        self.wires = wires
        self._process = process
        self._folder = folder
        self._wish = wish
        self._deadline: float | None = time.monotonic() + wish.boot_timeout_s
        self._status = b""
        self._output = {
            "stdout": sys.stdout.buffer,
            "terminal": sys.stdout.buffer,
            "stderr": sys.stderr.buffer,
        }

    @property
    def started(self) -> bool:
        return b"started\n" in self._status

    @property
    def ended(self) -> bool:
        return b"ended " in self._status and self._status.endswith(b"\n")

    def converse(self) -> int:
        """Pass everything on until the order has ended and all it said is here."""
        with selectors.DefaultSelector() as selector:
            for stream, wire in self.wires.items():
                selector.register(wire, selectors.EVENT_READ, stream)
            if self._wish.interactive:
                selector.register(sys.stdin, selectors.EVENT_READ, "keys")
            while self._listening(selector):
                ready = selector.select(self._remaining_s())
                for key, _ in ready:
                    self._take(selector, key.data)
                if not ready:
                    break
        if not self.ended:
            raise self._failure()
        return int(self._status.split()[-1])

    @staticmethod
    def _listening(selector: selectors.BaseSelector) -> bool:
        return any(key.data != "keys" for key in selector.get_map().values())

    def _take(self, selector: selectors.BaseSelector, stream: str) -> None:
        if stream == "keys":
            self.wires["terminal"].sendall(os.read(sys.stdin.fileno(), _CHUNK))
            return
        wire = self.wires[stream]
        try:
            data = wire.recv(_CHUNK)
        except ConnectionResetError:
            data = b""
        if not data:
            selector.unregister(wire)
        elif stream == "status":
            self._take_status(data)
        else:
            self._output[stream].write(data)
            self._output[stream].flush()

    def _take_status(self, data: bytes) -> None:
        had_started = self.started
        self._status += data
        if self.ended:
            # What is on its way still comes; then qemu ends, and the wires with it.
            self._deadline = time.monotonic() + _FAREWELL_S
        elif self.started and not had_started:
            bound = self._wish.timeout_s
            self._deadline = None if bound is None else time.monotonic() + bound

    def _remaining_s(self) -> float | None:
        return None if self._deadline is None else max(0.0, self._deadline - time.monotonic())

    def _failure(self) -> HostError:
        """Say why there is no exit code: not booted, not done in time, switched off."""
        last = self._last_words()
        if self._process.poll() is not None and not self.started:
            return HostError("booting the virtual machine", answer=f"qemu ended\n{last}")
        if not self.started:
            bound = f"{self._wish.boot_timeout_s:g} s"
            return HostError("booting the virtual machine", answer=f"not up after {bound}\n{last}")
        if self._process.poll() is not None:
            return HostError("running in the virtual machine", answer=f"it went down\n{last}")
        bound = f"{self._wish.timeout_s:g} s"
        return HostError("running in the virtual machine", answer=f"not done after {bound}\n{last}")

    def _last_words(self) -> str:
        said = b"".join(
            path.read_bytes()
            for name in ("qemu.log", "console.log")
            if (path := self._folder / name).exists()
        )
        lines = said.decode(errors="replace").replace("\r", "").strip().splitlines()
        return "\n".join(["the console's last lines:", *lines[-_CONSOLE_LINES:]])
