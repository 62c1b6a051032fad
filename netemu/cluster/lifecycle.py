"""A cluster from outside: brought up and taken down, however far it had come.

Each way imports only what it needs: somebody is waiting for the command to begin.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from netemu.cluster import launch
from netemu.cluster.launch import Progress
from netemu.core.plan_checks import Complain
from netemu.core.plans import NAME_MAX, check_name
from netemu.errors import HostError, MissingFacility, UserError
from netemu.host import clusters
from netemu.host.clusters import ClusterFolders
from netemu.host.interruption import uninterrupted
from netemu.model.cluster_v1alpha1 import Cluster
from netemu.model.settings import ClusterSettings

_KUBECTL_CONFIGS = "kubectl-configs.json"


def bring_up(
    cluster: Cluster, complain: Complain, *, began: float, context: bool
) -> Iterator[Progress]:
    """Start the cluster and yield its progress; the last line is `ready`.

    The first says only that nothing is wrong so far: UserError comes before it. One that
    runs already yields `ready` at once; one that exists but does not run gets its daemon
    back, with the settings it was made with. A start that fails or is interrupted is
    taken down again, unless the cluster existed before.
    """
    name = check_name(cluster.metadata.name, complain)
    with clusters.locked(name):
        clusters.unmark_stopped(name)
        record = clusters.daemon_of(name)
        if record is not None and record.ready:
            yield Progress(ready=True)
            return
        # Its `up` was killed, or the run folder lost: nobody hears it, the next one goes on.
        clusters.end_daemon(name)
        if context:
            _check_kubectl_config()
        existed = clusters.exists(name)
        try:
            settings = clusters.load_settings(name) if existed else _settle(cluster, complain)
            yield Progress()  # It can be made.
            yield from _start(settings, began=began, context=context)
        except (HostError, MissingFacility, KeyboardInterrupt) as error:
            if not existed:
                _remove(name, keep_logs=not isinstance(error, KeyboardInterrupt))
            raise


def _settle(cluster: Cluster, complain: Complain) -> ClusterSettings:
    """Decide on addresses and flavours, for good, and before anybody else does."""
    from netemu.cluster.plan import make_settings
    from netemu.host.doctor.requirement import require

    with clusters.choosing():
        settings = make_settings(cluster, complain)
        require(settings.overlay)
        clusters.make_folders(settings.name)
        clusters.save_settings(settings)
    return settings


def _start(settings: ClusterSettings, *, began: float, context: bool) -> Iterator[Progress]:
    for progress in launch.start_daemon(settings, began=began):
        if progress.error:
            raise _refusal(progress, settings.name)
        if progress.ready and context:
            progress.warning = _add_context(settings.name)
        yield progress


def start_again(name: str, *, began: float) -> Iterator[Progress]:
    """Bring a cluster back that exists, as `bring_up` does; UserError if there is none."""
    clusters.load_settings(name)
    cluster = Cluster()
    cluster.metadata.name = name
    yield from bring_up(cluster, lambda _, text: UserError(text), began=began, context=False)


def resume(name: str) -> None:
    """Give a cluster that has lost its daemon another one, and wait until it is usable."""
    for _ in start_again(name, began=time.monotonic()):
        pass


def reserve_name(wish: str) -> str:
    """Return a cluster name like `wish` that no cluster of this host has, and take it.

    Whoever takes it has it taken down again, whatever becomes of it.
    """
    stem = wish[: NAME_MAX - 3].strip("-")
    with clusters.choosing():
        taken = set(clusters.known())
        candidates = [stem, *(f"{stem}-{number}" for number in range(2, 100))]
        name = next(name for name in candidates if name not in taken)
        clusters.make_folders(name)
    return name


def _refusal(progress: Progress, name: str) -> HostError | MissingFacility:
    if progress.missing:
        refusal = MissingFacility("", why="", remedy="")
        refusal.args = (progress.error,)
        return refusal
    log = ClusterFolders(name).daemon_log
    return HostError("starting the cluster", answer=f"{progress.error}; see {log}")


# --- kubectl's own configuration ---------------------------------------------------------


def _check_kubectl_config() -> None:
    from netemu.host import kubectl_config

    kubectl_config.check()


def _add_context(name: str) -> str:
    """Make the cluster's context current; return why that cannot be, if so.

    A cluster that runs is of use without it.
    """
    import yaml

    from netemu.host import kubectl_config

    folders = ClusterFolders(name)
    kubeconfig: dict[str, Any] = yaml.safe_load(folders.kubeconfig.read_text())
    try:
        _note_config(name, kubectl_config.config_path())
        kubectl_config.add_context(name, kubeconfig)
    except (HostError, UserError) as error:
        return f"no kubectl context: {error}"
    return ""


def _note_config(name: str, path: Path) -> None:
    """Keep which file is about to be changed, and what it was: for `down`, in any shell."""
    noted = _noted_configs(name)
    if str(path) not in noted:
        noted[str(path)] = path.read_bytes() if path.exists() else b""
        kept = ClusterFolders(name).state / _KUBECTL_CONFIGS
        clusters.write_atomically(kept, msgspec.json.encode(noted))


def _noted_configs(name: str) -> dict[str, bytes]:
    try:
        data = (ClusterFolders(name).state / _KUBECTL_CONFIGS).read_bytes()
        return msgspec.json.decode(data, type=dict[str, bytes])
    except (FileNotFoundError, msgspec.DecodeError):
        return {}


def _remove_contexts(name: str) -> str:
    """Take the context away again; return what stood in the way."""
    from netemu.host import kubectl_config

    warning = ""
    for path, original in _noted_configs(name).items():
        try:
            kubectl_config.remove_context(name, Path(path), original=original)
        except (HostError, UserError) as error:
            context = kubectl_config.context_name(name)
            warning = f"the context {context} stays in your kubectl configuration: {error}"
    return warning


# --- down --------------------------------------------------------------------------------


def take_down(name: str, *, keep_logs: bool) -> str:
    """Remove the cluster and every trace of it; safe at any point, also twice.

    Returns what could not be put back, if anything.
    """
    with clusters.locked(name):
        return _remove(name, keep_logs=keep_logs)


def stop(name: str) -> bool:
    """End the cluster's processes and keep its state; False if somebody had before."""
    with clusters.locked(name):
        clusters.load_settings(name)  # Says which there are.
        if clusters.is_stopped(name) and not ClusterFolders(name).run.exists():
            return False
        from netemu.cluster import removal

        # First the mark: a verb that comes meanwhile must not start a daemon.
        clusters.mark_stopped(name)
        with uninterrupted():
            removal.stop(name)
        return True


def _remove(name: str, *, keep_logs: bool) -> str:
    from netemu.cluster import removal

    with uninterrupted():
        warning = _remove_contexts(name)
        removal.remove(name, keep_logs=keep_logs)
    return warning
