"""Exec: further processes in a running container."""

from __future__ import annotations

import asyncio
import os
import signal
import socket

import pytest

from netemu.errors import HostError

pytestmark = pytest.mark.root


@pytest.fixture
async def pod(pods):
    await pods.start("sleep", "60", env={"PATH": "/usr/bin:/bin", "X": "1"})
    return pods


async def _read(session) -> tuple[bytes, bytes]:
    streams = {1: b"", 2: b""}
    async for stream, data in session.output():
        streams[stream] += data
    return streams[1], streams[2]


async def test_exec_is_in_the_container(pod):
    """It has the container's namespaces, environment and capabilities."""
    same = 'for n in cgroup ipc mnt net pid uts; do [ "$(readlink /proc/1/ns/$n)" = '
    same += '"$(readlink /proc/self/ns/$n)" ] || echo $n differs; done; echo $X; hostname'
    assert await pod.shell(same) == (0, "1\nweb\n")
    _, mine = await pod.shell("grep -E 'Cap|Uid|Groups|NoNew' /proc/self/status")
    _, its = await pod.shell("grep -E 'Cap|Uid|Groups|NoNew' /proc/1/status")
    assert mine == its
    _, group = await pod.shell("cat /proc/1/cgroup /proc/self/cgroup | sort | uniq -u")
    assert group == ""


async def test_streams_are_apart_and_the_exit_code_comes_back(pod):
    """Input reaches it, stdout and stderr are told apart."""
    command = ["sh", "-c", "cat; echo oops >&2; exit 4"]
    session = await pod.runtime.exec("web-c", command, stdin=True)
    await session.write_stdin(b"hello " * 100_000)
    await session.close_stdin()
    assert await _read(session) == (b"hello " * 100_000, b"oops\n")
    assert await session.wait() == 4


async def test_a_reader_that_is_slow_gets_everything(pod):
    """Output waits for its reader, also after the process has ended."""
    session = await pod.runtime.exec("web-c", ["head", "-c", "5000000", "/dev/zero"])
    size = 0
    async for _, data in session.output():
        size += len(data)
        await asyncio.sleep(0.001)
    assert size == 5_000_000
    assert await session.wait() == 0


async def test_a_terminal_is_the_containers_own(pod):
    """With a tty the program has a name for it, its size, and job control."""
    command = ["sh", "-c", "tty; read x; stty size; echo $TERM; exit 6"]
    session = await pod.runtime.exec("web-c", command, tty=True, stdin=True)
    await session.resize(width=101, height=33)
    await session.write_stdin(b"\n")
    output, _ = await _read(session)
    lines = output.decode().split("\r\n")
    assert "/dev/pts/0" in lines
    assert "33 101" in lines
    assert "xterm" in lines
    assert await session.wait() == 6


async def test_a_missing_program_is_an_error(pod):
    """The error says what container runtimes say."""
    with pytest.raises(HostError, match=r'exec: "nope": executable file not found in \$PATH'):
        await pod.runtime.exec("web-c", ["nope"])


async def test_a_container_that_is_not_there_is_an_error(pod):
    """Neither an unknown one nor one that has ended can be entered."""
    with pytest.raises(HostError, match="is not running"):
        await pod.runtime.exec("other", ["true"])
    await pod.run("true", name="short")
    with pytest.raises(HostError, match="is not running"):
        await pod.runtime.exec("web-short", ["true"])


async def test_killing_and_time_limits_end_it(pod):
    """kill() gives 137; a capture that takes too long is a TimeoutError and leaves nothing."""
    session = await pod.runtime.exec("web-c", ["sleep", "50"])
    await session.kill()
    assert await session.wait() == 137
    with pytest.raises(TimeoutError):
        await pod.runtime.exec_capture("web-c", ["sleep", "51"], timeout_s=0.2)
    while "sleep 51" in (await pod.shell("cat /proc/[0-9]*/cmdline | tr '\\0' ' '"))[1]:
        await asyncio.sleep(0.01)


async def test_a_zygote_that_hangs_does_not_hold_a_capture(pod):
    """The time limit is for the start, too."""
    zygote = await pod.runtime.pid()
    os.kill(zygote, signal.SIGSTOP)
    try:
        with pytest.raises(TimeoutError):
            await pod.runtime.exec_capture("web-c", ["true"], timeout_s=0.2)
    finally:
        os.kill(zygote, signal.SIGCONT)


async def test_endless_output_does_not_fill_the_memory(pod):
    """A capture keeps the beginning."""
    command = ["head", "-c", "3000000", "/dev/zero"]
    code, output = await pod.runtime.exec_capture("web-c", command, timeout_s=10)
    assert (code, len(output)) == (0, 1 << 20)


async def test_a_background_process_does_not_hold_the_capture(pod):
    """What stays behind with the output open is not waited for."""
    code, output = await pod.shell("sleep 30 & echo done")
    assert (code, output) == (0, "done\n")


async def test_an_exec_ends_with_its_container(pod):
    """Removing the container kills what was started in it."""
    session = await pod.runtime.exec("web-c", ["sleep", "50"])
    await pod.runtime.remove_container("web-c")
    assert await session.wait() == 137


async def test_built_in_programs_can_be_called(pod):
    """`/agnhost` answers although no such file is there."""
    code, output = await pod.runtime.exec_capture(
        "web-c", ["/agnhost", "connect", "--timeout=1s", "127.0.0.1:1"], timeout_s=5
    )
    assert (code, output) == (1, b"REFUSED\n")


async def test_many_at_once(pod):
    """Fifty execs at the same time all come back."""
    found = await asyncio.gather(*(pod.shell(f"echo {n}") for n in range(50)))
    assert [output for _, output in found] == [f"{n}\n" for n in range(50)]


async def test_a_write_that_waits_ends_with_its_session(pod):
    """It lets go of its descriptor, whose number may be another's at once."""
    session = await pod.runtime.exec("web-c", ["sleep", "60"], stdin=True)
    writing = asyncio.ensure_future(session.write_stdin(b"x" * 1_000_000))
    await asyncio.sleep(0)
    session.close()
    loop, pairs = asyncio.get_running_loop(), [socket.socketpair() for _ in range(8)]
    writable = {end: asyncio.Event() for pair in pairs for end in pair}
    for end, event in writable.items():
        loop.add_writer(end, event.set)
    with pytest.raises(BrokenPipeError):
        await writing
    async with asyncio.timeout(5):
        for event in writable.values():
            event.clear()
            await event.wait()
    for end in writable:
        loop.remove_writer(end)
        end.close()
