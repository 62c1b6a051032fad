"""How a zygote is started: as a fresh interpreter that gets nothing of the caller's.

Whoever starts a cluster does this first, so that the zygote's imports and the daemon's
go on side by side. This file imports next to nothing.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Sequence

import netemu

Folder = str | os.PathLike[str]


def socket_path(run_dir: Folder) -> str:
    return f"{os.fspath(run_dir)}/zygote.sock"


def command(run_dir: Folder, state_dir: Folder, cluster: str, preload: Sequence[str]) -> list[str]:
    """Return the command line of a starter: it ends with 0 when the zygote listens."""
    argv = [sys.executable, "-P", "-m", "netemu.host.zygote"]
    argv += ["--cluster", cluster, "--run-dir", os.fspath(run_dir)]
    argv += ["--state-dir", os.fspath(state_dir)]
    for module in preload:
        argv += ["--preload", module]
    return argv


def environment() -> dict[str, str]:
    """Return an environment with nothing of the caller's: containers could read it."""
    kept = {"PATH", "PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX"}
    inherited = {name: value for name, value in os.environ.items() if name in kept}
    package = os.path.dirname(os.path.dirname(os.path.abspath(netemu.__file__)))
    path = os.pathsep.join(filter(None, (package, os.environ.get("PYTHONPATH", ""))))
    return inherited | {"LANG": "C.UTF-8", "PYTHONPATH": path, "PYTHONUTF8": "1"}


def answers(run_dir: Folder) -> bool:
    """Whether a zygote listens there."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(socket_path(run_dir))
        except (FileNotFoundError, ConnectionRefusedError):
            return False
        except BlockingIOError:
            return True  # It has much to do.
    return True


def begin(run_dir: Folder, state_dir: Folder, cluster: str, preload: Sequence[str]) -> int:
    """Start a zygote without waiting for it, unless one listens already.

    Returns a descriptor that can be read to its end when the zygote listens, or has failed.
    """
    reading, writing = os.pipe()
    try:
        os.makedirs(run_dir, mode=0o755, exist_ok=True)
        if not answers(run_dir):
            starter = subprocess.Popen(
                [*command(run_dir, state_dir, cluster, preload), "--hold", str(writing)],
                env=environment(),
                stdin=subprocess.DEVNULL,
                pass_fds=[writing],
                cwd="/",
                start_new_session=True,
            )
            starter.returncode = 0  # Nobody here waits for it.
    finally:
        os.close(writing)
    return reading
