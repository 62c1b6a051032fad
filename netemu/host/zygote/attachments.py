"""Those who follow a container's output while it comes, beside its log.

Each brings a pipe for stdout and one for stderr. A container never waits for them:
whoever lets a pipe run full is sent away and told so.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Callable, Sequence

from netemu.host.zygote.holdings import Container, close_all
from netemu.host.zygote.processes import Processes

_PIPE_BYTES = 1 << 20
TOO_SLOW = "the container writes faster than this is read; attach again, or read the log"


class Attachment:
    """One who is attached."""

    def __init__(
        self,
        container: Container,
        outputs: Sequence[int],
        *,
        feeds: bool,
        processes: Processes,
        ended: Callable[[str], None],
    ) -> None:
        """Follow from now on; `ended` is called with "", or why that is before the end."""
        self._container = container
        self._outputs = dict(zip((b"stdout", b"stderr"), outputs, strict=True))
        self._feeds = feeds
        self._processes = processes
        self._ended = ended
        for fd in outputs:
            os.set_blocking(fd, False)
            with contextlib.suppress(OSError):
                fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        container.attachments.append(self)
        for pump in container.pumps:
            pump.followers = container.attachments
            # A line that has no end yet, a prompt for one, is not in the log either.
            if pump.rest:
                self.hear(pump.stream, pump.rest)

    @property
    def logged_bytes(self) -> int:
        """How much of the log was written before."""
        return self._container.log.size()

    @property
    def ends_input(self) -> bool:
        source = self._container.input
        return source is not None and source.ends

    def input(self) -> int:
        """Return a new descriptor of the container's input, or of its terminal; -1 without."""
        source = self._container.input
        return -1 if source is None else source.for_writer()

    def hear(self, stream: bytes, data: bytes) -> None:
        try:
            took_all = os.write(self._outputs[stream], data) == len(data)
        except BlockingIOError:
            took_all = False
        except OSError:
            self.leave()  # It has closed its end.
            return
        if not took_all:
            self.leave()
            self._ended(TOO_SLOW)

    def finish(self) -> None:
        """The container has ended, and all that it wrote is in the pipes."""
        self.leave()
        self._ended("")

    def leave(self) -> None:
        """Follow no longer; repeating it is fine."""
        if self in self._container.attachments:
            self._container.attachments.remove(self)
            close_all(list(self._outputs.values()))
            self.close_input()

    def close_input(self) -> None:
        """End the container's input if that is what it was started for (`stdinOnce`)."""
        source = self._container.input
        if self._feeds and source is not None and source.ends:
            source.close(self._processes)
