"""A cluster from outside: brought up and taken down, however far it had come.

Each way imports only what it needs: somebody is waiting for the command to begin.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from netemu.cluster import launch
from netemu.cluster.launch import Progress
from netemu.core.plans import NAME_MAX, Complain, check_name
from netemu.errors import HostError, MissingFacility
from netemu.host import clusters
from netemu.host.clusters import ClusterFolders
from netemu.model.cluster_v1alpha1 import Cluster
from netemu.model.settings import ClusterSettings

_PREVIOUS_CONTEXT = "previous-context"


def bring_up(
    cluster: Cluster, complain: Complain, *, began: float, context: bool
) -> Iterator[Progress]:
    """Start the cluster and yield its progress; the last line is `ready`.

    One that runs already yields `ready` at once; one that exists but does not run
    gets its daemon back, with the settings it was made with. A start that fails is
    taken down again, unless the cluster existed before.
    """
    name = check_name(cluster.metadata.name, complain)
    with clusters.locked(name):
        record = clusters.daemon_of(name)
        if record is not None and record.ready:
            yield Progress(ready=True)
            return
        existed = clusters.exists(name)
        settings = clusters.load_settings(name) if existed else _new_settings(cluster, complain)
        clusters.make_folders(name)
        clusters.save_settings(settings)
        try:
            for progress in launch.start_daemon(settings, began=began):
                if progress.error:
                    raise _refusal(progress, name)
                if progress.ready and context:
                    _add_context(name)
                yield progress
        except (HostError, MissingFacility):
            if not existed:
                from netemu.cluster import removal

                removal.remove(name, keep_logs=True)
            raise


def _new_settings(cluster: Cluster, complain: Complain) -> ClusterSettings:
    from netemu.cluster.plan import make_settings

    return make_settings(cluster, complain)


def free_name(wish: str) -> str:
    """Return a cluster name like `wish` that no cluster of this host has."""
    stem = wish[: NAME_MAX - 3].strip("-")
    taken = set(clusters.known())
    candidates = [stem, *(f"{stem}-{number}" for number in range(2, 100))]
    return next(name for name in candidates if name not in taken)


def _refusal(progress: Progress, name: str) -> HostError | MissingFacility:
    if progress.missing:
        refusal = MissingFacility("", why="", remedy="")
        refusal.args = (progress.error,)
        return refusal
    log = ClusterFolders(name).daemon_log
    return HostError("starting the cluster", answer=f"{progress.error}; see {log}")


def _add_context(name: str) -> None:
    import yaml

    from netemu.host import kubectl_config

    folders = ClusterFolders(name)
    kubeconfig: dict[str, Any] = yaml.safe_load(folders.kubeconfig.read_text())
    previous = kubectl_config.add_context(name, kubeconfig)
    kept = folders.state / _PREVIOUS_CONTEXT
    if previous or not kept.exists():
        # Where it was written and what was current: `down` may run in another shell.
        text = f"{kubectl_config.config_path()}\n{previous}\n"
        clusters.write_atomically(kept, text.encode())


def take_down(name: str, *, keep_logs: bool) -> None:
    """Remove the cluster and every trace of it; safe at any point, also twice."""
    from netemu.cluster import removal

    with clusters.locked(name):
        _remove_context(name)
        removal.remove(name, keep_logs=keep_logs)


def _remove_context(name: str) -> None:
    from netemu.host import kubectl_config

    kept = ClusterFolders(name).state / _PREVIOUS_CONTEXT
    try:
        path, previous = kept.read_text().splitlines()[:2]
    except (FileNotFoundError, ValueError):
        return
    kubectl_config.remove_context(name, previous, path=Path(path))
