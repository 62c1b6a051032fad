"""What is mounted on the host below a folder of netemu's: directories in memory."""

from __future__ import annotations

import contextlib

from netemu.host.zygote import syscalls


def unmount_below(folder: str) -> None:
    """Unmount all that is mounted below the folder; what another command unmounted is fine."""
    for point in reversed(points_below(folder)):
        with contextlib.suppress(OSError):
            syscalls.unmount(point)


def points_below(folder: str) -> list[str]:
    """Return where something is mounted below the folder, outer before inner."""
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
        points = (line.split(" ", 5)[4] for line in file)
        # Names of ours need no escapes.
        return [point for point in points if point.startswith(f"{folder}/")]
