"""The zygote's door: a Unix socket, the requests that come through it, the answers."""

from __future__ import annotations

import contextlib
import errno
import functools
import os
import select
import socket
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence

import msgspec

from netemu.host.zygote import children, folder_watch, messages
from netemu.host.zygote.attachments import Attachment
from netemu.host.zygote.cgroup import Cgroups
from netemu.host.zygote.children import Ear, PidNamespaces, StartError
from netemu.host.zygote.confinement import known_to_kernel
from netemu.host.zygote.container import Surroundings, become_exec
from netemu.host.zygote.keeper import Keeper
from netemu.host.zygote.ledger import Ledger
from netemu.host.zygote.loop import READ, WRITE, Loop
from netemu.host.zygote.messages import Done, Failed, Frames, Reply, Request
from netemu.host.zygote.processes import Processes
from netemu.host.zygote.records import Records
from netemu.host.zygote.rootfs import Stage
from netemu.model.runtime import ContainerState, SandboxState

_LAST_MOMENT_S = 1.0


class Client:
    """One connection: the daemon's, or that of one exec."""

    def __init__(self, connection: socket.socket, loop: Loop) -> None:
        self.socket = connection
        self.frames = Frames()
        self.fds: list[int] = []
        """Descriptors that came along and that no request has taken yet."""
        self.watches = False
        self.exec_begun = False
        self.exec_goes_on = False
        self.exec_pid = 0
        self.exec_doomed = False
        """It is to be killed, if need be as soon as its pid is known."""
        self.attachment: Attachment | None = None
        self._loop = loop
        self._unsent = bytearray()
        self._events = 0

    def send(self, reply: Reply, fds: tuple[int, ...] = ()) -> None:
        self._unsent += messages.frame(reply)
        if fds:
            # Only an exec's connection carries descriptors, and nothing else is under way.
            with contextlib.suppress(OSError):
                sent = socket.send_fds(self.socket, [self._unsent], fds)
                del self._unsent[:sent]
        self.flush()

    def flush(self) -> None:
        try:
            while self._unsent:
                sent = self.socket.send(self._unsent)
                del self._unsent[:sent]
        except BlockingIOError:
            pass
        except OSError:
            self._unsent.clear()  # The other side is gone; reading will tell.

    def watch(self, callback: Callable[[int], None]) -> None:
        """Wait for requests and, while answers are unsent, for room."""
        events = READ | WRITE if self._unsent else READ
        if events != self._events:
            self._loop.watch(self.socket.fileno(), callback, events)
            self._events = events

    def take_fds(self) -> list[int]:
        taken, self.fds = self.fds, []
        return taken

    def close(self) -> None:
        for fd in self.take_fds():
            os.close(fd)
        self.socket.close()


class Zygote:
    """Serves one cluster until Shutdown."""

    def __init__(
        self,
        *,
        cluster: str,
        run_dir: str,
        state_dir: str,
        programs: Mapping[str, str],
        host_mounts: int,
    ) -> None:
        self._run_dir = run_dir
        self._loop = Loop()
        self._processes = Processes(self._loop)
        self._records = Records(run_dir)
        self._clients: dict[int, Client] = {}
        self._pid_namespaces = PidNamespaces()
        cgroups = Cgroups(self._records.group_name(cluster, state_dir))
        stage = Stage(f"{run_dir}/stage", unified_cgroups=cgroups.unified)
        self._around = Surroundings(
            stage=stage,
            cgroups=cgroups,
            bounds=known_to_kernel(),
            host_mounts=host_mounts,
            programs=programs,
        )
        self._keeper = Keeper(
            loop=self._loop,
            processes=self._processes,
            records=self._records,
            ledger=Ledger(state_dir, ours=self._processes.pids),
            around=self._around,
            run_dir=run_dir,
            tell=self._tell,
        )

    def serve(self, listener: socket.socket) -> None:
        """Adopt what is there, then answer until told to shut down."""
        self._keeper.adopt()
        folder_watch.watch(self._loop, f"{self._run_dir}/zygote.pid", lost=self._end_for_nobody)
        listener.setblocking(False)
        self._loop.watch(listener.fileno(), lambda _: self._accept(listener), select.EPOLLIN)
        self._loop.run()

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(BlockingIOError):
            connection, _ = listener.accept()
            connection.setblocking(False)
            client = Client(connection, self._loop)
            self._clients[connection.fileno()] = client
            self._watch(client)

    def _watch(self, client: Client) -> None:
        client.watch(functools.partial(self._serve_client, client))

    def _serve_client(self, client: Client, events: int) -> None:
        if events & select.EPOLLOUT:
            client.flush()
        if events & ~select.EPOLLOUT and not self._receive(client):
            self._drop(client)
        elif client.socket.fileno() >= 0:
            self._watch(client)

    def _receive(self, client: Client) -> bool:
        """Take what has come; False if the other side is gone or talks nonsense."""
        try:
            data, fds, _, _ = socket.recv_fds(client.socket, 1 << 18, 8)
        except BlockingIOError:
            return True
        except OSError:
            return False
        for fd in fds:
            os.set_inheritable(fd, False)
        client.fds += fds
        try:
            requests = [messages.decode_request(body) for body in client.frames.feed(data)]
        except (msgspec.DecodeError, ValueError) as error:
            sys.stderr.write(f"zygote: a request is unreadable: {error}\n")
            return False
        for request in requests:
            self._answer(client, request)
        return bool(data)

    def _drop(self, client: Client) -> None:
        fd = client.socket.fileno()
        self._loop.forget(fd)
        self._clients.pop(fd, None)
        self._kill_exec(client)
        if client.attachment is not None:
            client.attachment.leave()
        client.close()

    def _send(self, client: Client, reply: Reply, fds: tuple[int, ...] = ()) -> None:
        if client.socket.fileno() >= 0:
            client.send(reply, fds)
            self._watch(client)

    def _tell(self, state: ContainerState | SandboxState) -> None:
        event: Reply = (
            messages.ContainerExited(state=state)
            if isinstance(state, ContainerState)
            else messages.SandboxEnded(state=state)
        )
        for client in list(self._clients.values()):
            if client.watches:
                self._send(client, event)

    # Requests.

    def _answer(self, client: Client, request: Request) -> None:
        try:
            self._act(client, request)
        except StartError as error:
            self._fail(client, request, error)
        except OSError as error:
            where = f" {error.filename}" if error.filename else ""
            text = f"{error.strerror}:{where}"
            self._fail(client, request, StartError(text, error.errno or 0))
        except Exception:
            # The supervisor of itself: a bug in one request must not end all containers.
            traceback.print_exc()
            self._fail(client, request, StartError(traceback.format_exc(limit=-1)))

    def _fail(self, client: Client, request: Request, error: StartError) -> None:
        reply = Failed(
            seq=request.seq, doing=_describe(request), answer=str(error), errno=error.errno
        )
        self._send(client, reply)

    def _act(self, client: Client, request: Request) -> None:
        outcome = functools.partial(self._settle, client, request)
        match request:
            case messages.CreateSandbox():
                self._keeper.create_sandbox(request.spec, outcome)
            case messages.RemoveSandbox():
                self._keeper.remove_sandbox(request.id, outcome)
            case messages.StartContainer():
                self._keeper.start_container(request.spec, outcome)
            case messages.SignalContainer():
                self._keeper.signal_container(request.id, request.signal)
                outcome(None)
            case messages.RemoveContainer():
                self._keeper.remove_container(request.id, outcome)
            case messages.ListAll():
                client.watches = client.watches or request.watch
                self._send(client, self._listing(request.seq))
            case messages.Exec():
                self._exec(client, request)
            case messages.Attach():
                self._attach(client, request)
            case messages.CloseInput():
                if client.attachment is not None:
                    client.attachment.close_input()
            case messages.KillExec():
                self._kill_exec(client)
            case messages.Shutdown():
                self._shut_down(client, request)

    def _settle(
        self,
        client: Client,
        request: Request,
        result: SandboxState | ContainerState | StartError | None,
    ) -> None:
        if isinstance(result, StartError):
            self._fail(client, request, result)
        elif isinstance(result, SandboxState):
            self._send(client, Done(seq=request.seq, sandbox=result))
        else:
            self._send(client, Done(seq=request.seq, container=result))

    def _listing(self, seq: int) -> messages.Listing:
        return messages.Listing(
            seq=seq,
            pid=os.getpid(),
            sandboxes=self._keeper.sandbox_states(),
            containers=self._keeper.container_states(),
        )

    # Exec.

    def _exec(self, client: Client, request: messages.Exec) -> None:
        streams = client.take_fds()
        try:
            _require(client, streams, 0 if request.tty else 3)
            pid, ear = self._fork_exec(request, streams)
        finally:
            for fd in streams:
                os.close(fd)
        ear.let_go()
        client.exec_begun = True
        # It ends with 0 when another goes on in its stead.
        self._processes.watch(pid, lambda status: self._exec_failed(client, request, status))
        fd = ear.fileno()
        self._loop.watch(fd, lambda _: self._exec_spoke(client, request, ear))

    def _fork_exec(self, request: messages.Exec, streams: list[int]) -> tuple[int, Ear]:
        state = self._keeper.running(request.container)
        become = functools.partial(
            become_exec,
            self._records.container(request.container).spec,
            request.argv,
            self._around,
            pid=state.pid,
            tty=request.tty,
            streams=streams,
        )
        own = self._pid_namespaces.own()
        return children.fork(lambda voice: become(voice=voice), born_in=own)

    def _exec_spoke(self, client: Client, request: messages.Exec, ear: Ear) -> None:
        if not ear.hear():
            # A pid is what a process says of itself: ours are the only ones to believe in.
            if ear.sibling and not client.exec_goes_on and children.is_own(ear.sibling):
                self._exec_goes_on(client, request, ear.sibling)
            return
        self._loop.forget(ear.fileno())
        ear.close()
        terminal = (ear.terminal,) if ear.terminal >= 0 else ()
        if ear.error is not None:
            self._fail(client, request, ear.error)
        else:
            self._send(client, Done(seq=request.seq), terminal)
        for fd in terminal:
            os.close(fd)

    def _exec_goes_on(self, client: Client, request: messages.Exec, pid: int) -> None:
        client.exec_goes_on = True
        client.exec_pid = pid
        self._processes.watch(pid, lambda status: self._exec_ended(client, request, status))
        if client.exec_doomed:
            self._processes.kill_group(pid)

    def _exec_failed(self, client: Client, request: messages.Exec, status: int | None) -> None:
        if status:
            self._exec_ended(client, request, status)

    def _kill_exec(self, client: Client) -> None:
        client.exec_doomed = True
        self._processes.kill_group(client.exec_pid)

    def _exec_ended(self, client: Client, request: messages.Exec, status: int | None) -> None:
        code = os.waitstatus_to_exitcode(status or 0)
        client.exec_pid = 0
        exit_code = code if code >= 0 else 128 - code
        self._send(client, messages.ExecEnded(seq=request.seq, exit_code=exit_code))

    # Attach.

    def _attach(self, client: Client, request: messages.Attach) -> None:
        outputs = client.take_fds()
        try:
            _require(client, outputs, 2)
            attachment = self._keeper.attach(
                request.container,
                outputs,
                stdin=request.stdin,
                ended=lambda why: self._detached(client, request, why),
            )
        except StartError:
            for fd in outputs:
                os.close(fd)
            raise
        client.exec_begun = True
        client.attachment = attachment
        answer = messages.Attached(
            seq=request.seq,
            logged_bytes=attachment.logged_bytes,
            ends_input=attachment.ends_input,
        )
        feed = attachment.input()
        self._send(client, answer, (feed,) if feed >= 0 else ())
        if feed >= 0:
            os.close(feed)

    def _detached(self, client: Client, request: messages.Attach, why: str) -> None:
        if why:
            self._fail(client, request, StartError(why))
        else:
            self._send(client, messages.ExecEnded(seq=request.seq, exit_code=0))

    # The end.

    def _shut_down(self, client: Client, request: messages.Shutdown) -> None:
        """Kill everything and wait for it, remove what is left, answer, end."""
        self._kill_everything()
        self._remove_traces()
        self._send(client, Done(seq=request.seq))
        self._loop.stop()

    def _end_for_nobody(self) -> None:
        """The run folder is lost: what runs here could neither be found nor kept by anybody."""
        sys.stderr.write("zygote: the run folder is gone: ending everything\n")
        self._kill_everything()
        with contextlib.suppress(OSError):
            self._remove_traces()
        self._loop.stop()

    def _kill_everything(self) -> None:
        self._keeper.kill_everything()
        deadline = time.monotonic() + 5.0
        while len(self._processes) and time.monotonic() < deadline:
            self._loop.turn(_LAST_MOMENT_S)

    def _remove_traces(self) -> None:
        for state in self._keeper.container_states():
            self._keeper.remove_container(state.id, _ignore)
        for sandbox in self._keeper.sandbox_states():
            self._keeper.remove_sandbox(sandbox.id, _ignore)
        self._around.cgroups.remove_all()
        self._around.stage.remove()
        self._records.remove()
        for name in ("zygote.sock", "zygote.pid"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(f"{self._run_dir}/{name}")
        with contextlib.suppress(OSError):
            os.rmdir(f"{self._run_dir}/containers")


def _require(client: Client, streams: Sequence[int], count: int) -> None:
    if client.exec_begun:
        raise StartError("this connection has an exec already", errno.EBUSY)
    if len(streams) != count:
        raise StartError(f"{len(streams)} streams came along", errno.EINVAL)


def _ignore(_: object) -> None:
    """Nobody waits for this one."""


def _describe(request: Request) -> str:
    match request:
        case messages.CreateSandbox():
            return f"creating sandbox {request.spec.namespace}/{request.spec.name}"
        case messages.StartContainer():
            return f"starting container {request.spec.name}"
        case messages.Exec():
            return f"exec in container {request.container}"
        case messages.Attach():
            return f"attaching to container {request.container}"
        case _:
            return type(request).__name__
