"""netemu's own processes under a cluster, to be killed and started by scenarios.

What else a cluster has runs inside of these: the API server, scheduler, controllers,
kubelets, kube-proxies and the overlay are tasks of the daemon.
"""

from __future__ import annotations

from pathlib import Path
from signal import SIGKILL

from netemu.cluster import lifecycle
from netemu.errors import HostError, UserError
from netemu.host import clusters
from netemu.host.clusters import ClusterFolders
from netemu.host.processes import ProcessId
from netemu.host.runtime import ZygoteRuntime
from netemu.lab.contract import StepFailedError
from netemu.lab.lab import Lab

KILLABLE = ("daemon", "dns", "zygote")
STARTABLE = ("daemon",)
_OF_THE_DAEMON = (
    "apiserver",
    "kube-apiserver",
    "scheduler",
    "kube-scheduler",
    "controller-manager",
    "kube-controller-manager",
    "kubelet",
    "kube-proxy",
    "overlay",
    "flannel",
)
_DNS = "deployment/kube-system/coredns"
_ENDS_WITHIN_S = 5.0


def check_component(name: str, known: tuple[str, ...]) -> None:
    """Raise UserError unless there is a process of that name."""
    if name in known:
        return
    there = f"there are: {', '.join(known)}"
    if name in _OF_THE_DAEMON:
        raise UserError(f'component: "{name}" is a task of the daemon, not a process; {there}')
    raise UserError(f'component: no process "{name}"; {there}')


async def kill(component: str, lab: Lab) -> str:
    """End a component's process at once; say what that was."""
    if component == "dns":
        return await _kill_dns(lab)
    of = {"daemon": _daemon, "zygote": _zygote}[component]
    process = of(lab.settings.name)
    if process is None:
        raise StepFailedError(f"the {component} does not run")
    process.signal(SIGKILL)
    if not await lab.blocking(process.wait, _ENDS_WITHIN_S):
        raise HostError(f"killing the {component}", answer="it survives SIGKILL")
    return f"the {component}, process {process.pid}, is gone"


async def start(component: str, lab: Lab) -> str:
    """Start what was killed, and wait until it is ready."""
    await lab.blocking(lifecycle.resume, lab.settings.name)
    return f"the {component} is ready"


def _daemon(cluster: str) -> ProcessId | None:
    record = clusters.daemon_of(cluster)
    return None if record is None else record.process


def _zygote(cluster: str) -> ProcessId | None:
    path = Path(ClusterFolders(cluster).run, "zygote.pid")
    try:
        pid, ticks = path.read_text(encoding="ascii").split()
    except (FileNotFoundError, ValueError):
        return None
    process = ProcessId(int(pid), int(ticks))
    return process if process.alive else None


async def _kill_dns(lab: Lab) -> str:
    """Kill the servers inside of the Pods; the Pods stay, their kubelets start others."""
    pods = await lab.ready_pods(_DNS)
    runtime = ZygoteRuntime(ClusterFolders(lab.settings.name).run)
    try:
        for pod in pods:
            for status in pod.status.container_statuses:
                _, _, identity = status.container_id.partition("://")
                await runtime.signal_container(identity, SIGKILL)
    finally:
        runtime.close()
    return f"the servers of {', '.join(pod.metadata.name for pod in pods)} are gone"
