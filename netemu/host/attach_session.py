"""One attachment to a running container, seen from the daemon.

The zygote writes a copy of the container's output into two pipes, from a known place of
the log on. What people type goes straight to the container's own input, of which the
answer brings a descriptor: a FIFO's writing end or a terminal's master.
"""

from __future__ import annotations

import os

from netemu.host.exec_session import UnixExecSession
from netemu.host.zygote import messages
from netemu.host.zygote.messages import Attached, ExecEnded


class UnixAttachSession(UnixExecSession):
    """Keeps `host.contract.AttachSession`."""

    _doing = "attach"

    logged_bytes = 0
    has_input = False
    _wants_input = False
    _ends_input = False

    @classmethod
    async def join(cls, path: str, request: messages.Attach) -> UnixAttachSession:
        """Follow the container from now on; HostError if it does not run."""
        session = cls(cls._connect(path))
        session._wants_input = request.stdin
        await session._begin(request, session._make_outputs())
        return session

    def _take_terminal(self, fd: int) -> None:
        """Take what came with the answer: to write to and to size, never to read from."""
        os.set_inheritable(fd, False)
        if os.isatty(fd):
            self._terminal = fd
            self._stdin = os.dup(fd) if self._wants_input else -1
        elif self._wants_input:
            self._stdin = fd
        else:
            os.close(fd)

    def _hear(self, reply: messages.Reply) -> None:
        if isinstance(reply, Attached):
            self.logged_bytes = reply.logged_bytes
            self._ends_input = reply.ends_input
            self.has_input = self._stdin >= 0
            self._started.set_result(None)
        elif isinstance(reply, ExecEnded) and not self._exit.done():
            # The zygote has closed the pipes: what is left in them has an end.
            self._exit.set_result(reply.exit_code)
            if not self._outputs:
                self.close()
        else:
            super()._hear(reply)

    async def close_stdin(self) -> None:
        """End the container's input if it is meant to end so; else only leave."""
        if not self._ends_input:
            await self.kill()
            return
        if self._stdin >= 0:
            self._close_stdin()
            self._send(messages.CloseInput(seq=0))

    async def kill(self) -> None:
        """Leave; the container goes on."""
        if not self._exit.done():
            self._exit.set_result(0)
        self.close()

    def close(self) -> None:
        super().close()
        if self._terminal >= 0:
            os.close(self._terminal)
            self._terminal = -1
