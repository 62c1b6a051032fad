"""Nothing left behind: a cluster's processes, namespaces, links, mounts, cgroups, files.

Each part is found by what it left on the host, not by what anybody remembers, so this
works after any crash, and twice.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import time
from collections.abc import Iterator
from typing import TextIO

from netemu.errors import HostError
from netemu.host import clusters, underlay
from netemu.host.clusters import ClusterFolders
from netemu.host.processes import ProcessId
from netemu.host.runtime import ZygoteRuntime, start_zygote
from netemu.host.zygote import ledger

_ZYGOTE_ENDS_WITHIN_S = 20.0
_SHUTDOWN_WITHIN_S = 60.0
_LOOK_AGAIN_S = 0.01


def remove(name: str, *, keep_logs: bool) -> None:
    """Remove the cluster. Nothing there is success."""
    with _ended(name):
        clusters.remove_folders(name, keep_logs=keep_logs)


def stop(name: str) -> None:
    """End all of the cluster that a reboot of the host would end; its state stays."""
    with _ended(name):
        clusters.remove_run_folder(name)


@contextlib.contextmanager
def _ended(name: str) -> Iterator[None]:
    """End the daemon and all processes, take links and names away."""
    clusters.end_daemon(name)
    with _without_zygote(ClusterFolders(name)):
        underlay.remove_all(name, others=[other for other in clusters.known() if other != name])
        yield


@contextlib.contextmanager
def _without_zygote(folders: ClusterFolders) -> Iterator[None]:
    """End the zygote and all that it made, and hold its lock: no other can come meanwhile.

    One that a killed `up` has only begun to start finds the lock held, or no folder.
    """
    if not folders.run.exists():
        if not ledger.has_living(folders.state):
            yield
            return
        folders.run.mkdir(parents=True, mode=0o700)  # It was lost.
    deadline = time.monotonic() + _ZYGOTE_ENDS_WITHIN_S
    while True:
        if _had_zygote(folders):
            _end_zygote(folders)
        with open(folders.run / "zygote.pid", "a", encoding="ascii") as lock:
            if _lock(lock):
                yield
                return
        if time.monotonic() > deadline:
            raise HostError("ending the zygote", where=str(folders.run), answer="another came")
        time.sleep(_LOOK_AGAIN_S)


def _had_zygote(folders: ClusterFolders) -> bool:
    traces = (folders.run / "zygote.pid", folders.run / "records")
    return any(trace.exists() for trace in traces) or ledger.has_living(folders.state)


def _lock(file: TextIO) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _end_zygote(folders: ClusterFolders) -> None:
    """Have the zygote end all that it made, then itself.

    If it has died or does not answer, a new one adopts from the records what it left.
    """
    try:
        asyncio.run(_shut_down(folders))
    except HostError:
        silent = _zygote_on_record(folders)
        if silent is None:
            raise
        silent.end(grace_s=0.0)
        asyncio.run(_shut_down(folders))


async def _shut_down(folders: ClusterFolders) -> None:
    await start_zygote(folders.run, folders.state, folders.name)
    runtime = await ZygoteRuntime.connect(folders.run)
    zygote = ProcessId.of(await runtime.pid())
    try:
        async with asyncio.timeout(_SHUTDOWN_WITHIN_S):
            await runtime.shutdown()
    except TimeoutError as error:
        raise HostError("ending the containers", answer="the zygote does not answer") from error
    if zygote is not None:
        zygote.wait(_ZYGOTE_ENDS_WITHIN_S)


def _zygote_on_record(folders: ClusterFolders) -> ProcessId | None:
    try:
        pid, start = (folders.run / "zygote.pid").read_text(encoding="ascii").split()
    except (FileNotFoundError, ValueError):
        return None
    process = ProcessId(int(pid), int(start))
    return process if process.alive else None
