"""Does KVM work here? Tried once, bounded, and remembered for this kernel.

/dev/kvm says little: in a virtual machine whose hypervisor does not nest well, a machine
under it starts and hangs. So one is booted as far as its first process.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

from netemu.host.virtual_machine import places
from netemu.host.virtual_machine.places import Image

_TRIAL_TIMEOUT_S = 15.0


def kvm_works(image: Image) -> bool:
    """Return whether a machine boots under KVM; false without a word where there is none."""
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return False
    remembered = places.cache_folder() / "kvm.json"
    if (known := _recall(remembered)) is not None:
        return known
    works = _try(image)
    remembered.write_text(json.dumps({"kernel": os.uname().release, "works": works}) + "\n")
    return works


def _recall(file: Path) -> bool | None:
    try:
        known = json.loads(file.read_text())
        return bool(known["works"]) if known["kernel"] == os.uname().release else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _try(image: Image) -> bool:
    """Boot without a disk: the first process finds none, ends, and the kernel gives up."""
    argv = ["setpriv", "--pdeathsig", "KILL", "qemu-system-x86_64", "-nodefaults"]
    argv += ["-no-user-config", "-display", "none", "-nic", "none", "-no-reboot"]
    argv += ["-accel", "kvm", "-cpu", "host", "-m", "256"]
    argv += ["-kernel", str(image.kernel), "-initrd", str(image.initramfs)]
    argv += ["-append", "console=ttyS0 panic=-1 netemu.trial", "-serial", "stdio"]
    try:
        done = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_TRIAL_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return False
    return b"netemu: the first process runs" in done.stdout
