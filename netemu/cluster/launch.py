"""The zygote and the daemon of a cluster: started, waited for, found again.

The zygote is started first and by itself: it has to be fresh and single-threaded,
and must never have seen a key. The daemon tells how far it is through a pipe, one
JSON line a stage; whoever typed the command reads them, and may go away meanwhile.
"""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

import netemu
from netemu.errors import HostError
from netemu.host import clusters
from netemu.host.zygote import birth
from netemu.model.settings import ClusterSettings

START_TIMEOUT_S = 240.0
"""For who hangs; an emulated machine that others keep busy takes over a minute."""
GO = b"+"
AGAIN = "--again"
"""Option of the daemon: it is the same process as before, beginning anew."""
PRELOAD = ("netemu.images.standin", "netemu.images.agnhost", "netemu.daemons.dns")
"""What the zygote imports once, so that no container has to."""


class Progress(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One line of what the daemon tells while it starts."""

    stage: str = ""
    at_s: float = 0.0
    """Seconds since the command was typed."""
    ready: bool = False
    error: str = ""
    missing: bool = False
    """The error is that the host lacks something."""
    warning: str = ""
    """The cluster runs, but something beside it is not as wished."""


@dataclass(frozen=True, slots=True)
class Reporter:
    """The daemon's end of the pipe."""

    descriptor: int
    began: float
    """CLOCK_MONOTONIC when the command was typed: the same clock in every process."""

    def stage(self, text: str) -> Progress:
        line = Progress(stage=text, at_s=round(time.monotonic() - self.began, 3))
        self._write(line)
        return line

    def ready(self) -> None:
        self._write(Progress(ready=True, at_s=round(time.monotonic() - self.began, 3)))

    def failed(self, error: str, *, missing: bool) -> None:
        self._write(Progress(error=error, missing=missing))

    def _write(self, line: Progress) -> None:
        # Whoever waited may have gone; the cluster starts all the same.
        with contextlib.suppress(OSError):
            os.write(self.descriptor, msgspec.json.encode(line) + b"\n")


def start_daemon(settings: ClusterSettings, *, began: float) -> Iterator[Progress]:
    """Start the cluster's zygote and its daemon, in sessions of their own; yield what it tells.

    Ends after the line with `ready` or `error`. HostError if the daemon dies
    without a word or says nothing for START_TIMEOUT_S.
    """
    folders = clusters.make_folders(settings.name)
    zygote = birth.begin(settings.run_dir, settings.state_dir, settings.name, PRELOAD)
    reading, writing = os.pipe()
    with open(folders.daemon_log, "ab") as log:
        daemon = subprocess.Popen(
            [
                *(sys.executable, "-m", "netemu.cluster.daemon", settings.name),
                *("--progress-fd", str(writing), "--began", repr(began)),
                *("--zygote-fd", str(zygote)),
            ],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            pass_fds=[writing, zygote],
            start_new_session=True,
            cwd="/",
            env={**os.environ, "PYTHONPATH": _import_root()},
        )
    _let_go(daemon, settings.name)
    os.close(writing)
    os.close(zygote)
    with os.fdopen(reading, "rb", buffering=0) as pipe:
        yield from _follow(pipe.fileno(), daemon, str(folders.daemon_log))


def _let_go(daemon: subprocess.Popen[bytes], cluster: str) -> None:
    """Put the daemon on record, then let it begin: whoever cleans up finds it by that alone.

    If we die in between, it reads the end of its input and ends.
    """
    clusters.save_record(cluster, clusters.record_of(daemon.pid))
    assert daemon.stdin is not None
    with contextlib.suppress(BrokenPipeError), daemon.stdin:
        daemon.stdin.write(GO)


def wait_for_go() -> bool:
    """Wait, in the daemon, until it is on record; False if that will never be."""
    if os.read(0, 1) != GO:
        return False
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    return True


def _import_root() -> str:
    """Where this very netemu is imported from, for a process that starts in `/`."""
    return str(Path(netemu.__file__).resolve().parent.parent)


def _follow(pipe: int, daemon: subprocess.Popen[bytes], log: str) -> Iterator[Progress]:
    deadline = time.monotonic() + START_TIMEOUT_S
    pending = b""
    while True:
        readable, _, _ = select.select([pipe], [], [], max(0.0, deadline - time.monotonic()))
        if not readable:
            raise HostError(
                "starting the daemon", answer=f"not ready after {START_TIMEOUT_S:g} s; see {log}"
            )
        data = os.read(pipe, 65536)
        if not data:
            code = daemon.wait()
            raise HostError(
                "starting the daemon", answer=f"it ended with exit code {code}; see {log}"
            )
        *lines, pending = (pending + data).split(b"\n")
        for line in lines:
            progress = msgspec.json.decode(line, type=Progress)
            yield progress
            if progress.ready or progress.error:
                # It lives on without us: its Popen must not complain that nobody waited.
                daemon.returncode = 0
                return
