"""The keeper of all sandboxes and containers: their births, ends and removals.

Nothing here waits. What takes time (a birth, an end) is a callback away, and many
births go on at once: the children work in parallel, the keeper only forks them.
"""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence

from netemu.host.processes import start_ticks
from netemu.host.zygote import children, inputs
from netemu.host.zygote.attachments import Attachment
from netemu.host.zygote.children import Ear, PidNamespaces, StartError
from netemu.host.zygote.container import Surroundings, become_container
from netemu.host.zygote.holdings import (
    Container,
    Outcome,
    Sandbox,
    close_all,
    first_state,
    mount_termination_message,
    note_end,
)
from netemu.host.zygote.inputs import Input
from netemu.host.zygote.ledger import Ledger
from netemu.host.zygote.logs import LogFile, Pipes, Pump
from netemu.host.zygote.loop import Loop
from netemu.host.zygote.processes import Processes
from netemu.host.zygote.records import (
    ContainerRecord,
    Records,
    SandboxRecord,
    file_name,
)
from netemu.host.zygote.sandbox import become_pause
from netemu.model.runtime import (
    ContainerPhase,
    ContainerSpec,
    ContainerState,
    SandboxSpec,
    SandboxState,
)


class Keeper:
    def __init__(
        self,
        *,
        loop: Loop,
        processes: Processes,
        records: Records,
        ledger: Ledger,
        around: Surroundings,
        run_dir: str,
        tell: Callable[[ContainerState | SandboxState], None],
    ) -> None:
        self._loop = loop
        self._processes = processes
        self._records = records
        self._ledger = ledger
        self._around = around
        self._run_dir = run_dir
        self._tell = tell
        self._pid_namespaces = PidNamespaces()
        self._sandboxes: dict[str, Sandbox] = {}
        self._containers: dict[str, Container] = {}

    # What there is.

    def sandbox_states(self) -> list[SandboxState]:
        return [sandbox.state for sandbox in self._sandboxes.values() if sandbox.born]

    def container_states(self) -> list[ContainerState]:
        return [container.state for container in self._containers.values() if container.born]

    def running(self, identity: str) -> ContainerState:
        """Return a running container's state; StartError if there is none."""
        container = self._containers.get(identity)
        if container is None or container.state.phase is not ContainerPhase.RUNNING:
            raise StartError(f"container {identity} is not running")
        return container.state

    # Sandboxes.

    def create_sandbox(self, spec: SandboxSpec, outcome: Outcome) -> None:
        sandbox = self._sandboxes.get(spec.id)
        if sandbox is None:
            self._bear_sandbox(spec, outcome)
        elif sandbox.born:
            outcome(sandbox.state)
        else:
            sandbox.waiting.append(outcome)

    def _bear_sandbox(self, spec: SandboxSpec, outcome: Outcome) -> None:
        share_net_of = self._pid_of_network(spec)
        become = functools.partial(
            become_pause, spec, share_net_of=share_net_of, empty=self._around.stage.empty
        )
        namespaces = self._pid_namespaces
        born_in = namespaces.new() if spec.share_pid else namespaces.own()
        pid, ear = children.fork(lambda voice: become(voice=voice), born_in=born_in)
        state = SandboxState(
            id=spec.id,
            kind=spec.kind,
            node=spec.node,
            namespace=spec.namespace,
            name=spec.name,
            pid=pid,
            pid_start=start_ticks(pid) or 0,
            created_at=time.time(),
        )
        sandbox = Sandbox(state, spec.hostname, spec.cgroup, spec.share_pid, waiting=[outcome])
        self._sandboxes[spec.id] = sandbox
        self._records.save(SandboxRecord(spec=spec, state=state))
        self._ledger.note(pid, state.pid_start)
        ear.let_go()
        self._processes.watch(pid, lambda _: self._pause_is_gone(sandbox))
        self._listen(ear, lambda: self._sandbox_spoke(sandbox, ear))

    def _pid_of_network(self, spec: SandboxSpec) -> int:
        """Return the process whose network the sandbox joins, 0 for one of its own."""
        if not spec.netns_of:
            if spec.host_network:
                raise StartError(f"sandbox {spec.id}: no node to share the network of")
            return 0
        owner = self._sandboxes.get(spec.netns_of)
        if owner is None or not owner.state.alive:
            raise StartError(f"sandbox {spec.id}: there is no sandbox {spec.netns_of}")
        return owner.state.pid

    def _sandbox_spoke(self, sandbox: Sandbox, ear: Ear) -> None:
        waiting, sandbox.waiting = sandbox.waiting, []
        if ear.error is None and sandbox.state.alive:
            sandbox.born = True
        else:
            self._forget_sandbox(sandbox)
        for outcome in waiting:
            outcome(ear.error or sandbox.state)

    def _pause_is_gone(self, sandbox: Sandbox) -> None:
        sandbox.state.alive = False
        if sandbox.born and not sandbox.removal:
            self._tell(sandbox.state)
        for call in sandbox.removal:
            call()

    def remove_sandbox(self, identity: str, outcome: Outcome) -> None:
        """Kill and forget it with its containers; `outcome(None)` when they are gone."""
        sandbox = self._sandboxes.get(identity)
        if sandbox is None:
            outcome(None)
            return
        inside = [c.state.id for c in self._containers.values() if c.state.sandbox == identity]
        left = len(inside) + 1

        def one_is_gone(_: object = None) -> None:
            nonlocal left
            left -= 1
            if left == 0:
                self._forget_sandbox(sandbox)
                outcome(None)

        for container in inside:
            self.remove_container(container, one_is_gone)
        if sandbox.state.pid in self._processes:
            sandbox.removal.append(one_is_gone)
            self._processes.kill(sandbox.state.pid)
        else:
            one_is_gone()

    def _forget_sandbox(self, sandbox: Sandbox) -> None:
        identity = sandbox.state.id
        self._sandboxes.pop(identity, None)
        self._records.forget_sandbox(identity)
        self._around.stage.forget(identity)
        if sandbox.cgroup:
            self._around.cgroups.remove(sandbox.cgroup)

    # Containers.

    def start_container(self, spec: ContainerSpec, outcome: Outcome) -> None:
        container = self._containers.get(spec.id)
        if container is None:
            self._bear_container(spec, outcome)
        elif container.born:
            outcome(container.state)
        else:
            container.waiting.append(outcome)

    def _bear_container(self, spec: ContainerSpec, outcome: Outcome) -> None:
        sandbox = self._sandboxes.get(spec.sandbox)
        if sandbox is None or not sandbox.state.alive:
            raise StartError(f"container {spec.name}: there is no sandbox {spec.sandbox}")
        mount_termination_message(spec)
        pipes, log = self._pipes(spec.id), LogFile(spec.log_path)
        streams = pipes.make(user_id=spec.user_id, stdin=spec.stdin and not spec.tty)
        pumps = pipes.open(log)
        become = functools.partial(
            become_container,
            spec,
            self._around,
            pause=sandbox.state.pid,
            hostname=sandbox.hostname,
            streams=streams,
        )
        namespaces = self._pid_namespaces
        shared = sandbox.state.pid if sandbox.share_pid else 0
        if spec.pid_of:
            shared = self.running(spec.pid_of).pid
        born_in = namespaces.of(shared) if shared else namespaces.new()
        # While somebody reads: nobody can open it for writing otherwise.
        feed = inputs.open_fifo(pipes.input_path) if streams[0] >= 0 else -1
        try:
            pid, ear = children.fork(lambda voice: become(voice=voice), born_in=born_in)
        finally:
            close_all(streams)
        state = first_state(spec, pid)
        container = Container(state, spec.cgroup, pipes, log, pumps, waiting=[outcome])
        container.joins = bool(shared)
        self._containers[spec.id] = container
        record = ContainerRecord(spec=spec, state=state, pid_start=start_ticks(pid) or 0)
        if feed >= 0:
            self._hold_input(container, record, feed)
        self._records.save(record)
        self._ledger.note(pid, record.pid_start)
        ear.let_go()
        self._pump(container)
        self._processes.watch(pid, lambda status: self._container_ended(container, ear, status))
        self._listen(ear, lambda: self._container_spoke(container, ear))

    def _container_spoke(self, container: Container, ear: Ear) -> None:
        if container.born:
            return
        container.born = True
        if ear.terminal >= 0:
            self._take_terminal(container, ear.terminal)
            with contextlib.suppress(FileNotFoundError):
                record = self._records.container(container.state.id)
                self._hold_input(container, record, os.dup(ear.terminal))
                self._records.save(record)
        if ear.error is not None:
            container.state.phase = ContainerPhase.EXITED
            container.state.error = str(ear.error)
            container.state.exit_code = children.START_ERROR
            container.state.finished_at = time.time()
            self._save_state(container)
        waiting, container.waiting = container.waiting, []
        for outcome in waiting:
            outcome(container.state)

    def _container_ended(self, container: Container, ear: Ear | None, status: int | None) -> None:
        if ear is not None and not container.born:
            # Its last words may not have been heard yet.
            with contextlib.suppress(OSError):
                while not ear.hear():
                    pass
                self._container_spoke(container, ear)
        if container.cgroup and container.joins:
            # Elsewhere the end of its first process was the end of all.
            self._around.cgroups.kill(container.cgroup)
        self._stop_pumps(container)
        if container.input is not None:
            container.input.close(self._processes)
        if container.state.phase is ContainerPhase.RUNNING:
            note_end(container.state, status)
            # A shell whose child was killed ends with the same number, by itself.
            if container.state.exit_code == 128 + signal.SIGKILL and container.cgroup:
                container.state.oom_killed = bool(self._around.cgroups.oom_kills(container.cgroup))
            self._save_state(container)
            self._tell(container.state)
        for attachment in tuple(container.attachments):
            attachment.finish()
        for call in container.removal:
            call()

    def _save_state(self, container: Container) -> None:
        with contextlib.suppress(FileNotFoundError):
            record = self._records.container(container.state.id)
            record.state = container.state
            self._records.save(record)

    def signal_container(self, identity: str, number: int) -> None:
        container = self._containers.get(identity)
        if container is not None:
            self._processes.kill(container.state.pid, number)

    def remove_container(self, identity: str, outcome: Outcome) -> None:
        """Kill and forget it; `outcome(None)` when its processes are gone."""
        container = self._containers.get(identity)
        if container is None:
            outcome(None)
            return

        def gone() -> None:
            self._forget_container(container)
            outcome(None)

        if container.state.pid in self._processes:
            container.removal.append(gone)
            self._processes.kill(container.state.pid)
        else:
            gone()

    def _forget_container(self, container: Container) -> None:
        self._stop_pumps(container)
        container.pipes.remove()
        if container.cgroup:
            self._around.cgroups.remove(container.cgroup)
        self._containers.pop(container.state.id, None)
        self._records.forget_container(container.state.id)

    # All of them.

    def kill_everything(self) -> None:
        for container in list(self._containers.values()):
            self._processes.kill(container.state.pid)
        for sandbox in list(self._sandboxes.values()):
            self._processes.kill(sandbox.state.pid)
        self._around.cgroups.kill()

    def adopt(self) -> None:
        """Take over what an earlier zygote left: watch what lives, note what does not.

        What nobody wrote down for us lost its files with the run folder: it is ended.
        """
        for record in self._records.sandboxes():
            self._adopt_sandbox(record)
        for found in self._records.containers():
            self._adopt_container(found)
        if self._ledger.begin() and not self._sandboxes:
            self._around.cgroups.kill()
            self._around.cgroups.remove_all()

    def _adopt_sandbox(self, record: SandboxRecord) -> None:
        spec, state = record.spec, record.state
        sandbox = Sandbox(state, spec.hostname, spec.cgroup, spec.share_pid, born=True)
        state.alive = start_ticks(state.pid) == state.pid_start
        self._sandboxes[spec.id] = sandbox
        if state.alive:
            with _gone_meanwhile(lambda: self._pause_is_gone(sandbox)):
                self._processes.watch(state.pid, lambda _: self._pause_is_gone(sandbox))

    def _adopt_container(self, record: ContainerRecord) -> None:
        spec, state = record.spec, record.state
        log, pipes = LogFile(spec.log_path), self._pipes(spec.id)
        container = Container(state, spec.cgroup, pipes, log, born=True)
        sandbox = self._sandboxes.get(spec.sandbox)
        container.joins = bool(spec.pid_of) or sandbox is None or sandbox.share_pid
        self._containers[spec.id] = container
        if state.phase is not ContainerPhase.RUNNING:
            return
        container.pumps = pipes.open(log)
        if start_ticks(state.pid) != record.pid_start:
            self._container_ended(container, None, None)
            return
        self._pump(container)
        self._adopt_input(container, record)
        with _gone_meanwhile(lambda: self._container_ended(container, None, None)):
            self._processes.watch(
                state.pid, lambda status: self._container_ended(container, None, status)
            )

    # Those who are attached.

    def attach(
        self,
        identity: str,
        outputs: Sequence[int],
        *,
        stdin: bool,
        ended: Callable[[str], None],
    ) -> Attachment:
        """Let somebody follow a running container's output; the descriptors are theirs then."""
        self.running(identity)
        return Attachment(
            self._containers[identity],
            outputs,
            feeds=stdin,
            processes=self._processes,
            ended=ended,
        )

    def _hold_input(self, container: Container, record: ContainerRecord, fd: int) -> None:
        spec = record.spec
        try:
            holder = inputs.hold(fd, container.state.pid, spec.title, self._processes)
        except ProcessLookupError:
            os.close(fd)  # It has ended already.
            return
        record.input_holder, record.input_holder_start = holder, start_ticks(holder) or 0
        self._ledger.note(holder, record.input_holder_start)
        fifo = "" if spec.tty else container.pipes.input_path
        container.input = Input(fd, fifo=fifo, once=spec.stdin_once, holder=holder)

    def _adopt_input(self, container: Container, record: ContainerRecord) -> None:
        """Get back what the holder holds; without one the input has ended, or hung up."""
        spec = record.spec
        fd = inputs.take_back(record.input_holder, record.input_holder_start)
        if fd < 0:
            return
        fifo = "" if spec.tty else container.pipes.input_path
        holder = record.input_holder
        container.input = Input(fd, fifo=fifo, once=spec.stdin_once, holder=holder)
        with contextlib.suppress(ProcessLookupError):
            self._processes.watch(holder, lambda _: None)
        if spec.tty:
            self._take_terminal(container, os.dup(fd))

    def _take_terminal(self, container: Container, master: int) -> None:
        """Read from it instead of from the pipes, which nobody writes to."""
        os.set_blocking(master, False)
        container.pumps.append(Pump(master, "stdout", container.log))
        self._watch_pump(container.pumps[-1])

    # Descriptors.

    def _pipes(self, identity: str) -> Pipes:
        return Pipes(f"{self._run_dir}/containers/{file_name(identity)}")

    def _listen(self, ear: Ear, spoke: Callable[[], None]) -> None:
        fd = ear.fileno()

        def heard(_: int) -> None:
            if ear.hear():
                self._loop.forget(fd)
                ear.close()
                spoke()

        self._loop.watch(fd, heard)

    def _pump(self, container: Container) -> None:
        for pump in container.pumps:
            self._watch_pump(pump)

    def _watch_pump(self, pump: Pump) -> None:
        self._loop.watch(pump.fd, functools.partial(self._carry, pump))

    def _carry(self, pump: Pump, _: int) -> None:
        if not pump.carry():
            self._loop.forget(pump.fd)
            pump.close()

    def _stop_pumps(self, container: Container) -> None:
        for pump in container.pumps:
            if pump.fd >= 0:
                pump.drain()
                self._loop.forget(pump.fd)
                pump.close()
        container.pumps.clear()
        container.log.close()


@contextlib.contextmanager
def _gone_meanwhile(then: Callable[[], None]) -> Iterator[None]:
    try:
        yield
    except ProcessLookupError:
        then()
