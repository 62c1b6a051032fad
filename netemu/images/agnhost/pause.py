"""`pause`: do nothing until told to end."""

from __future__ import annotations

import os
import signal
import time

from netemu.images.flags import Command, Flag, Flags


def _run(flags: Flags, rest: list[str]) -> int:
    del rest
    ends = {signal.SIGTERM, signal.SIGINT}
    # Blocked, not handled: as the first process of its namespace it gets no default.
    signal.pthread_sigmask(signal.SIG_BLOCK, ends)
    os.write(1, b"Paused\n")
    signal.sigwait(ends)
    time.sleep(flags.number("delay-shutdown"))
    return 0


COMMAND = Command(
    "Does nothing until it is told to end",
    _run,
    {"delay-shutdown": Flag(0, "Seconds to stay after SIGTERM")},
)
