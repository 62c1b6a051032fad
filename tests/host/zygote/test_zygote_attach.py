"""Attach: the first process's own streams, shared with whoever comes."""

from __future__ import annotations

import asyncio

import pytest
from zygote_pods import CLUSTER, PRELOAD, kill_zygote

from netemu.errors import HostError
from netemu.host.runtime import start_zygote

pytestmark = pytest.mark.root


async def _until(session, text: bytes) -> bytes:
    """Read until `text` has come; return all that came."""
    said = b""
    async with asyncio.timeout(5):
        async for _, data in session.output():
            said += data
            if text in said:
                return said
    raise AssertionError(said)


async def _rest(session) -> bytes:
    async with asyncio.timeout(5):
        return b"".join([data async for _, data in session.output()])


async def test_all_who_are_attached_hear_it_and_each_may_speak(pods):
    """Input stays open when they leave, and all output goes to the log, too."""
    await pods.start("cat", stdin=True)
    one = await pods.runtime.attach("web-c", stdin=True)
    two = await pods.runtime.attach("web-c", stdin=True)
    await one.write_stdin(b"from one\n")
    assert await _until(one, b"\n") == await _until(two, b"\n") == b"from one\n"
    await one.close_stdin()
    assert await one.wait() == 0
    await two.write_stdin(b"from two\n")
    assert await _until(two, b"two\n") == b"from two\n"
    await two.kill()
    three = await pods.runtime.attach("web-c", stdin=True)
    assert three.logged_bytes > 0
    await three.write_stdin(b"from three\n")
    assert await _until(three, b"three\n") == b"from three\n"
    assert pods.log("web-c") == "from one\nfrom two\nfrom three\n"
    await three.kill()


@pytest.mark.parametrize("leaves", ["close_stdin", "kill"])
async def test_input_meant_for_one_ends_with_the_first(pods, leaves):
    """A container with stdinOnce reads the end of its input, and its last words are heard."""
    script = "cat; echo bye; exit 5"
    await pods.start("sh", "-c", script, stdin=True, stdin_once=True)
    first = await pods.runtime.attach("web-c", stdin=True)
    await first.write_stdin(b"hello" * 10_000)
    await getattr(first, leaves)()
    if leaves == "close_stdin":
        assert await _rest(first) == b"hello" * 10_000 + b"bye\n"
        assert await first.wait() == 0
    assert (await pods.ended("web-c")).exit_code == 5
    with pytest.raises(HostError, match="is not running"):
        await pods.runtime.attach("web-c", stdin=True)


async def test_a_terminal_is_typed_at_and_sized(pods):
    """A prompt without a newline is seen by whoever comes later, and ^D ends the shell."""
    script = 'printf "prompt> "; read line; stty size; echo "got $line"; cat; exit 4'
    await pods.start("sh", "-c", script, tty=True, stdin=True)
    async with asyncio.timeout(5):
        while not (session := await pods.runtime.attach("web-c", stdin=True)).has_input:
            await session.kill()
    assert await _until(session, b"prompt> ") == b"prompt> "
    await session.resize(width=101, height=33)
    await session.write_stdin(b"words\r")
    said = await _until(session, b"got words")
    assert b"33 101" in said
    await session.write_stdin(b"\x04")
    await _rest(session)
    assert await session.wait() == 0
    assert (await pods.ended("web-c")).exit_code == 4


async def test_whoever_reads_too_slowly_is_sent_away(pods):
    """The container never waits, and the others hear everything."""
    await pods.start("sh", "-c", "read x; head -c 6000000 /dev/zero; echo; echo done", stdin=True)
    slow = await pods.runtime.attach("web-c")
    quick = await pods.runtime.attach("web-c", stdin=True)
    slow._loop.remove_reader(next(iter(slow._outputs)))
    await quick.write_stdin(b"\n")
    with pytest.raises(HostError, match="writes faster than this is read"):
        await slow.wait()
    assert (await pods.ended("web-c")).exit_code == 0
    await slow.kill()
    await quick.kill()


@pytest.mark.parametrize("tty", [False, True])
async def test_input_outlives_the_zygote(pods, tty):
    """Neither does the container notice, nor is anything lost for who attaches next."""
    await pods.start("sh", "-c", "while read x; do echo got $x; done", tty=tty, stdin=True)
    before = await pods.runtime.attach("web-c", stdin=True)
    await before.write_stdin(b"one\n")
    await _until(before, b"got one")
    await kill_zygote(pods)
    await start_zygote(pods.run_dir, pods.folder / "state", CLUSTER, PRELOAD)
    with pytest.raises(HostError, match="the zygote hung up"):
        await before.wait()
    after = await pods.runtime.attach("web-c", stdin=True)
    await after.write_stdin(b"two\n")
    await _until(after, b"got two")
    assert "got one" in pods.log("web-c")
    await before.kill()
    await after.kill()
