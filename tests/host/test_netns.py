"""Network namespaces on the real kernel."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from netemu.errors import HostError
from netemu.host import netns
from netemu.host.netns import Netns

pytestmark = pytest.mark.root


@pytest.fixture
def holder() -> Iterator[int]:
    """A process that holds a network namespace of its own."""
    process = subprocess.Popen(["unshare", "--net", "sleep", "60"])
    own = os.stat("/proc/self/ns/net").st_ino
    deadline = time.monotonic() + 5
    while os.stat(netns.netns_of(process.pid)).st_ino == own:
        assert time.monotonic() < deadline
        os.sched_yield()
    yield process.pid
    process.kill()
    process.wait()


def links_seen() -> list[str]:
    with open("/proc/thread-self/net/dev", encoding="ascii") as file:
        return sorted(line.split(":")[0].strip() for line in file if ":" in line)


async def test_calls_programs_and_sockets_act_inside(holder: int) -> None:
    """A call, a program and a socket all see the namespace, and this process stays outside."""
    space = Netns.open(netns.netns_of(holder), name="n1")
    try:
        made = await space.run(["ip", "link", "add", "inside0", "type", "veth"])
        assert made.exit_code == 0, made.stderr
        assert "inside0" in await space.call(links_seen)
        assert "inside0" not in links_seen()
        with space.socket() as one:
            one.bind(("127.0.0.1", 0))
            assert one.getsockname()[1] > 0
        echoed = await space.run(["cat"], stdin=b"hello", env={"X": "1"})
        assert echoed.stdout == b"hello"
    finally:
        space.close()


async def test_a_program_that_does_not_end_or_start_is_an_error(holder: int) -> None:
    """A time limit kills; a missing program is said; a cancelled caller leaves nothing running."""
    space = Netns.open(netns.netns_of(holder), name="n1")
    try:
        with pytest.raises(HostError, match=r"running sleep in n1: still running after 0\.05 s"):
            await space.run(["sleep", "60"], timeout_s=0.05)
        with pytest.raises(HostError, match="starting no-such-program in n1: No such file"):
            await space.run(["no-such-program"])
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await space.run(["sleep", "61"])
        running = await space.run(["ps", "-e", "-o", "args="])
        assert b"sleep 61" not in running.stdout
    finally:
        space.close()


async def test_a_caller_that_leaves_while_its_program_starts_leaves_nothing(holder: int) -> None:
    """Cancelled at any step: what was started is ended, and waited for."""
    space = Netns.open(netns.netns_of(holder), name="n1")
    try:
        for steps in range(6):
            caller = asyncio.ensure_future(space.run(["sleep", "62"]))
            for _ in range(steps):
                await asyncio.sleep(0)
            caller.cancel()
            with pytest.raises(asyncio.CancelledError):
                await caller
        running = await space.run(["ps", "-e", "-o", "args="])
        assert b"sleep 62" not in running.stdout
    finally:
        space.close()


def test_entering_what_is_gone_is_an_error() -> None:
    """A namespace that is not there is named in the error."""
    with pytest.raises(HostError, match="entering network namespace in /proc/0/ns/net"):
        Netns.open("/proc/0/ns/net", name="gone")


def test_publish_is_seen_by_ip_netns_and_withdrawn_without_trace(holder: int) -> None:
    """Published twice, withdrawn twice, and /run/netns is what it was."""
    before = Path("/proc/self/mountinfo").read_text()
    path = netns.publish(holder, "netemu-t-one")
    assert netns.publish(holder, "netemu-t-one") == path == "/run/netns/netemu-t-one"
    assert os.path.samefile(path, netns.netns_of(holder))
    listed = subprocess.run(["ip", "netns"], capture_output=True, text=True, check=True).stdout
    assert "netemu-t-one" in listed
    assert netns.published("netemu-t-") == ["netemu-t-one"]

    netns.publish(os.getpid(), "netemu-t-one")  # A new holder took the name over.
    assert os.path.samefile(path, "/proc/self/ns/net")

    netns.withdraw("netemu-t-one")
    netns.withdraw("netemu-t-one")
    assert netns.published("netemu-t-") == []
    netns.tidy()
    assert Path("/proc/self/mountinfo").read_text() == before


def test_a_thread_goes_inside_and_comes_back(holder: int) -> None:
    """What runs inside is in the other namespace; afterwards the thread is home, also on error."""
    home = os.readlink("/proc/thread-self/ns/net")
    with netns.inside(netns.netns_of(holder)):
        assert os.readlink("/proc/thread-self/ns/net") == os.readlink(netns.netns_of(holder))
    with pytest.raises(ZeroDivisionError), netns.inside(netns.netns_of(holder)):
        _ = 1 // 0
    assert os.readlink("/proc/thread-self/ns/net") == home


def test_a_mount_that_is_hidden_is_no_mount(tmp_path) -> None:
    """What lies below a later mount of a parent is in mountinfo, and still not to be seen."""
    script = f"""
        mkdir -p {tmp_path}/a/netns && mount --bind {tmp_path}/a/netns {tmp_path}/a/netns
        {sys.executable} -c 'from netemu.host import netns; print(netns._mount_of("{tmp_path}/a/netns") is None)'
        mount -t tmpfs tmpfs {tmp_path}/a && mkdir {tmp_path}/a/netns
        {sys.executable} -c 'from netemu.host import netns; print(netns._mount_of("{tmp_path}/a/netns") is None)'
    """
    told = subprocess.run(
        ["unshare", "--mount", "sh", "-euc", script], capture_output=True, text=True, check=True
    )
    assert told.stdout.split() == ["False", "True"]
