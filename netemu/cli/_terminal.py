"""Our own standard streams, joined with those of a command in a container."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import termios
import tty
from collections.abc import Iterator

from netemu.client.streams import RemoteExec

_CHUNK = 16 << 10


async def converse(session: RemoteExec, *, stdin: bool, tty: bool) -> int:
    """Pass bytes both ways until the command has ended; return its exit code."""
    with _raw_terminal() if tty else contextlib.nullcontext():
        async with asyncio.TaskGroup() as group:
            helpers = [group.create_task(_pass_input(session))] if stdin else []
            if tty:
                helpers.append(group.create_task(_follow_size(session)))
            async for channel, data in session.output():
                stream = sys.stdout.buffer if channel == 1 else sys.stderr.buffer
                stream.write(data)
                stream.flush()
            for helper in helpers:
                helper.cancel()
    return session.exit_code


async def _pass_input(session: RemoteExec) -> None:
    loop = asyncio.get_running_loop()
    descriptor = sys.stdin.fileno()
    arrived: asyncio.Queue[bytes] = asyncio.Queue()

    def read() -> None:
        arrived.put_nowait(os.read(descriptor, _CHUNK))

    try:
        loop.add_reader(descriptor, read)
    except PermissionError:
        # A file cannot be polled: it is simply there.
        while data := os.read(descriptor, _CHUNK):
            await session.write(data)
        await session.end_input()
        return
    try:
        while data := await arrived.get():
            await session.write(data)
        loop.remove_reader(descriptor)
        await session.end_input()
    finally:
        loop.remove_reader(descriptor)


async def _follow_size(session: RemoteExec) -> None:
    loop = asyncio.get_running_loop()
    changed = asyncio.Event()
    changed.set()
    loop.add_signal_handler(signal.SIGWINCH, changed.set)
    try:
        while True:
            await changed.wait()
            changed.clear()
            size = os.get_terminal_size(sys.stdin.fileno())
            await session.resize(width=size.columns, height=size.lines)
    finally:
        loop.remove_signal_handler(signal.SIGWINCH)


@contextlib.contextmanager
def _raw_terminal() -> Iterator[None]:
    """Keys go to the container as they are, Ctrl-C included; the terminal is restored."""
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    tty.setraw(descriptor, termios.TCSADRAIN)  # What was typed ahead is not lost.
    try:
        yield
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
