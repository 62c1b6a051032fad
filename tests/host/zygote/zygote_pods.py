"""Pods for the zygote's tests: sandboxes and containers with little to say."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

from netemu.host.runtime import ZygoteRuntime
from netemu.model.runtime import ContainerSpec, ContainerState, SandboxSpec

# Cgroups are the machine's: who tests beside us, in namespaces of their own, has others.
CLUSTER = f"zygote-test-{os.stat('/proc/self/ns/mnt').st_ino}"
PRELOAD = ("netemu.images.standin", "netemu.images.agnhost", "zygote_programs")
DEFAULT_CAPABILITIES = (
    "AUDIT_WRITE CHOWN DAC_OVERRIDE FOWNER FSETID KILL MKNOD NET_BIND_SERVICE NET_RAW"
    " SETFCAP SETGID SETPCAP SETUID SYS_CHROOT"
).split()


async def eventually(condition: Callable[[], object], within_s: float = 5.0) -> None:
    """Wait until the condition holds."""
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true"
        await asyncio.sleep(0.01)


class Pods:
    """Makes sandboxes and containers with little to say."""

    def __init__(self, runtime: ZygoteRuntime, folder: Path) -> None:
        self.runtime = runtime
        self.folder = folder
        self.run_dir = folder / "run"

    async def sandbox(self, name: str = "web", **more):
        spec = {"id": f"uid-{name}", "namespace": "default", "name": name, "hostname": name}
        spec |= {"cgroup": f"kubepods/besteffort/pod{name}"} | more
        return await self.runtime.create_sandbox(SandboxSpec(**spec))

    async def start(self, *argv: str, pod: str = "web", name: str = "c", **more) -> ContainerState:
        """Start a container, in a new sandbox if the Pod has none."""
        if f"uid-{pod}" not in {s.id for s in await self.runtime.sandboxes()}:
            await self.sandbox(pod)
        spec = {
            "id": f"{pod}-{name}",
            "sandbox": f"uid-{pod}",
            "name": name,
            "title": f"netemu: default/{pod} {name}",
            "argv": list(argv),
            "env": {"PATH": "/usr/bin:/bin:/usr/sbin:/sbin"},
            "capabilities": DEFAULT_CAPABILITIES,
            "cgroup": f"kubepods/besteffort/pod{pod}/{name}",
            "log_path": str(self.folder / f"{pod}-{name}.log"),
        }
        return await self.runtime.start_container(ContainerSpec(**(spec | more)))

    async def ended(self, identity: str) -> ContainerState:
        """Wait until a container is no longer running."""
        async with asyncio.timeout(10):
            while True:
                for state in await self.runtime.containers():
                    if state.id == identity and state.phase != "running":
                        return state
                await asyncio.sleep(0.01)

    async def run(self, *argv: str, **more) -> tuple[ContainerState, str]:
        """Run a container to its end; return its state and what it wrote."""
        state = await self.start(*argv, **more)
        state = await self.ended(state.id)
        return state, self.log(state.id)

    async def shell(self, script: str, pod: str = "web", name: str = "c") -> tuple[int, str]:
        command = ["sh", "-c", script]
        code, output = await self.runtime.exec_capture(f"{pod}-{name}", command, timeout_s=10)
        return code, output.decode(errors="replace")

    def log(self, identity: str) -> str:
        """Return what the container wrote, without stamps."""
        path = self.folder / f"{identity}.log"
        lines = path.read_text().splitlines() if path.exists() else []
        return "".join(line.split(" ", 3)[3] + "\n" for line in lines)

    def serve(self, *args: str, **more):
        """Start a stand-in."""
        return self.start(
            entrypoint="netemu.images.standin:main", args=list(args), **({"name": "c"} | more)
        )


async def kill_zygote(pods: Pods) -> None:
    pid = await pods.runtime.pid()
    handle = os.pidfd_open(pid)
    signal.pidfd_send_signal(handle, signal.SIGKILL)
    # Not waitid: whose child it is depends on how the tests were started.
    gone = asyncio.Event()
    asyncio.get_running_loop().add_reader(handle, gone.set)
    await gone.wait()
    asyncio.get_running_loop().remove_reader(handle)
    os.close(handle)
