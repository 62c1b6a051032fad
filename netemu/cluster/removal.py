"""Nothing left behind: a cluster's processes, namespaces, links, mounts, cgroups, files.

Each part is found by what it left on the host, not by what anybody remembers, so this
works after any crash, and twice.
"""

from __future__ import annotations

import asyncio

from netemu.host import clusters, underlay
from netemu.host.clusters import ClusterFolders
from netemu.host.processes import ProcessId
from netemu.host.runtime import ZygoteRuntime, start_zygote

_ZYGOTE_ENDS_WITHIN_S = 5.0


def remove(name: str, *, keep_logs: bool) -> None:
    """Remove the cluster. Nothing there is success."""
    record = clusters.daemon_of(name)
    if record is not None:
        # It is crash-only: there is nothing that it would have to finish.
        record.process.end(grace_s=0.0)
    folders = clusters.ClusterFolders(name)
    if folders.run.exists():
        asyncio.run(_end_containers(folders))
    underlay.remove_all(name, others=[other for other in clusters.known() if other != name])
    clusters.remove_folders(name, keep_logs=keep_logs)


async def _end_containers(folders: ClusterFolders) -> None:
    """Have the zygote end all that it made, then itself.

    If it has died, a new one adopts from the records what the old one left.
    """
    await start_zygote(folders.run, folders.state, folders.name)
    runtime = await ZygoteRuntime.connect(folders.run)
    zygote = ProcessId.of(await runtime.pid())
    await runtime.shutdown()
    if zygote is not None:
        zygote.wait(_ZYGOTE_ENDS_WITHIN_S)
