"""`pause`: do nothing until told to end."""

from __future__ import annotations

import os
import signal
import time

from netemu.images.flags import UnknownFlag, parse_flags, seconds


def run(args: list[str]) -> int:
    try:
        flags, _ = parse_flags(args, {"delay-shutdown": "0"})
    except UnknownFlag as error:
        os.write(2, f"Error: {error}\n".encode())
        return 1
    ends = {signal.SIGTERM, signal.SIGINT}
    # Blocked, not handled: as the first process of its namespace it gets no default.
    signal.pthread_sigmask(signal.SIG_BLOCK, ends)
    os.write(1, b"Paused\n")
    signal.sigwait(ends)
    time.sleep(seconds(flags["delay-shutdown"]))
    return 0


COMMAND = run
