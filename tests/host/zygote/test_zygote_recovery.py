"""Death: of the daemon, of the zygote, of a pause process."""

from __future__ import annotations

import asyncio
import glob
import os
import shutil
import signal

import pytest
from zygote_pods import CLUSTER, PRELOAD, Pods, eventually, kill_zygote

from netemu.errors import HostError
from netemu.host import netns
from netemu.host.processes import ProcessId, boot_id, start_ticks
from netemu.host.runtime import ZygoteRuntime, start_zygote
from netemu.host.zygote import ledger
from netemu.model.runtime import ContainerPhase, SandboxKind

pytestmark = pytest.mark.root


async def _restart(pods) -> None:
    await start_zygote(pods.run_dir, pods.folder / "state", CLUSTER, PRELOAD)


async def test_the_next_daemon_finds_everything(pods):
    """Containers go on without a daemon; what ended meanwhile is in the listing."""
    await pods.start("sleep", "60", name="long")
    await pods.start("sh", "-c", "read x < /dev/shm/go; exit 3", name="short")
    await pods.shell("mkfifo /dev/shm/go", name="long")
    pods.runtime.close()
    pods.runtime = await ZygoteRuntime.connect(pods.run_dir)
    states = {s.id: s for s in await pods.runtime.containers()}
    assert states["web-long"].phase is ContainerPhase.RUNNING
    assert len(await pods.runtime.sandboxes()) == 1


async def test_a_namesake_s_containers_are_left_alone(pods):
    """Two of one name, as in two mount namespaces, share no cgroup: one's end is its own."""
    other = pods.folder / "other"
    await start_zygote(other / "run", other / "state", CLUSTER, PRELOAD)
    namesake = Pods(await ZygoteRuntime.connect(other / "run"), other)
    state = await pods.start("sleep", "60")
    assert (await namesake.start("sleep", "60")).pid != state.pid
    await kill_zygote(namesake)
    await start_zygote(other / "run", other / "state", CLUSTER, PRELOAD)
    await namesake.runtime.shutdown()
    assert len(glob.glob(f"/sys/fs/cgroup/pids/netemu-{CLUSTER}.*")) <= 1
    assert os.path.exists(f"/proc/{state.pid}")
    assert await pods.shell("echo lives") == (0, "lives\n")


async def test_starting_a_zygote_that_runs_changes_nothing(pods):
    """There is one zygote a cluster, however often it is started."""
    pid = await pods.runtime.pid()
    await asyncio.gather(*(_restart(pods) for _ in range(3)))
    assert await pods.runtime.pid() == pid


async def test_containers_outlive_the_zygote(pods):
    """The next zygote adopts them: logs go on, exec works, and their end is seen."""
    pod = await pods.start("sh", "-c", "while true; do echo tick; sleep 0.02; done")
    await eventually(lambda: "tick" in pods.log("web-c"))
    await kill_zygote(pods)
    assert os.path.exists(f"/proc/{pod.pid}")
    before = len(pods.log("web-c"))
    await _restart(pods)
    (state,) = await pods.runtime.containers()
    (sandbox,) = await pods.runtime.sandboxes()
    assert (state.phase, state.pid) == (ContainerPhase.RUNNING, pod.pid)
    assert sandbox.alive
    await eventually(lambda: len(pods.log("web-c")) > before + 50)
    assert (await pods.shell("echo inside"))[1] == "inside\n"
    events = pods.runtime.events()
    told = asyncio.ensure_future(anext(events))
    await asyncio.sleep(0)
    await pods.runtime.signal_container("web-c", signal.SIGKILL)
    ended = await asyncio.wait_for(told, 5)
    await events.aclose()
    assert (ended.phase, ended.exit_code) == (ContainerPhase.UNKNOWN, 137)


async def test_an_exit_that_nobody_saw_is_unknown(pods):
    """A container that ended between two zygotes has the phase UNKNOWN; its last words are kept."""
    pod = await pods.start(
        "sh", "-c", "trap 'echo last words; exit 5' TERM; echo up; sleep 60 & wait"
    )
    await eventually(lambda: "up" in pods.log("web-c"))
    ended = await pods.start("sh", "-c", "exit 4", name="before")
    await pods.ended(ended.id)
    await kill_zygote(pods)
    os.kill(pod.pid, signal.SIGTERM)
    await eventually(lambda: not _runs(pod.pid))
    await _restart(pods)
    states = {s.id: s for s in await pods.runtime.containers()}
    assert states["web-c"].phase is ContainerPhase.UNKNOWN
    assert (states["web-before"].phase, states["web-before"].exit_code) == ("exited", 4)


def _runs(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            return file.read().rsplit(") ", 1)[1][0] != "Z"
    except FileNotFoundError:
        return False


async def test_a_request_waits_for_the_next_zygote(pods):
    """A daemon that asks while there is none gets its answer from the next."""
    await kill_zygote(pods)
    asking = asyncio.ensure_future(pods.sandbox("late"))
    await asyncio.sleep(0)
    await _restart(pods)
    assert (await asking).name == "late"


async def test_without_a_zygote_requests_fail(pods):
    """Nobody waits for ever."""
    other = ZygoteRuntime(pods.folder / "nowhere")
    with pytest.raises(HostError, match="No such file"):
        await other.sandboxes()


async def test_a_dead_pause_is_seen(pods):
    """Who listens is told of a sandbox whose pause was killed; it takes no container."""
    state = await pods.sandbox()
    events = pods.runtime.events()
    told = asyncio.ensure_future(anext(events))
    await asyncio.sleep(0)
    os.kill(state.pid, signal.SIGKILL)
    ended = await asyncio.wait_for(told, 5)
    assert (ended.id, ended.pid, ended.alive) == (state.id, state.pid, False)
    assert not (await pods.runtime.sandboxes())[0].alive
    await pods.runtime.remove_sandbox(state.id)
    other = await pods.sandbox()
    told = asyncio.ensure_future(anext(events))
    await asyncio.sleep(0)
    # What was asked for is no news.
    await pods.runtime.remove_sandbox(other.id)
    lost = await pods.sandbox()
    os.kill(lost.pid, signal.SIGKILL)
    assert (await asyncio.wait_for(told, 5)).pid == lost.pid
    await events.aclose()
    with pytest.raises(HostError, match="there is no sandbox"):
        await pods.start("true")


async def test_a_namespace_finds_a_new_holder(pods):
    """A node whose holder was killed is held again, with all that is in its network."""
    node = {"kind": SandboxKind.NODE, "id": "node/n", "name": "n", "hostname": "n", "cgroup": ""}
    first = await pods.sandbox(**node)
    netns.publish(first.pid, "zygote-test-n")
    try:
        inode = os.stat("/run/netns/zygote-test-n").st_ino
        os.kill(first.pid, signal.SIGKILL)
        while (await pods.runtime.sandboxes())[0].alive:
            await asyncio.sleep(0.01)
        await pods.runtime.remove_sandbox("node/n")
        second = await pods.sandbox(**node, netns_path=netns.lasting("zygote-test-n"))
        assert second.pid != first.pid
        assert os.stat(netns.netns_of(second.pid)).st_ino == inode
    finally:
        netns.withdraw("zygote-test-n")
    assert netns.lasting("zygote-test-n") == ""


async def test_a_log_that_is_long_is_rotated(pods):
    """At 10 MiB a new file begins; nothing is lost."""
    await pods.run("sh", "-c", "yes 0123456789012345678901234567890123456789 | head -n 200000")
    files = sorted(pods.folder.glob("web-c.log*"))
    lines = sum(path.read_bytes().count(b"\n") for path in files)
    assert len(files) == 2
    assert lines == 200_000


async def test_a_zygote_is_revived_by_whoever_needs_it(pods):
    """A runtime that knows how starts the next zygote, and its listeners hear what ended."""

    async def revive() -> None:
        await _restart(pods)

    await pods.start("sleep", "60")
    pods.runtime.close()
    pods.runtime = await ZygoteRuntime.connect(pods.run_dir, revive=revive)
    events = pods.runtime.events()
    told = asyncio.ensure_future(anext(events))
    (state,) = await pods.runtime.containers()
    await kill_zygote(pods)
    os.kill(state.pid, signal.SIGKILL)
    ended = await asyncio.wait_for(told, 10)
    await events.aclose()
    assert (ended.id, ended.phase) == ("web-c", ContainerPhase.UNKNOWN)


async def test_what_lost_its_zygote_and_its_records_is_ended_by_the_next(pods):
    """Nobody else would find it: the ledger in the state folder says who it was."""
    container = ProcessId.of((await pods.start("sleep", "60")).pid)
    (sandbox,) = await pods.runtime.sandboxes()
    pause = ProcessId.of(sandbox.pid)
    await kill_zygote(pods)
    shutil.rmtree(pods.run_dir)
    assert container.alive
    assert pause.alive
    assert ledger.has_living(pods.folder / "state")
    await _restart(pods)
    assert not container.alive
    assert not pause.alive
    pods.runtime = await ZygoteRuntime.connect(pods.run_dir)
    assert await pods.runtime.sandboxes() == []


def test_a_ledger_is_read_with_care(tmp_path):
    """Torn lines, other boots, other processes of the same pid: none of them is ours."""
    me = os.getpid()
    start, boot = start_ticks(me), boot_id()
    page = tmp_path / "processes"
    page.write_text(f"{me} {start} another-boot\n{me} {start + 1} {boot}\nx y {boot}\n{me} {start}")
    assert not ledger.has_living(tmp_path)
    page.write_bytes(b"\0\xff\n" + f"{me} {start} {boot}\n".encode())
    assert ledger.has_living(tmp_path)


def test_a_ledger_forgets_what_has_ended(tmp_path):
    """However many containers come and go, it stays small and keeps who lives."""
    me = os.getpid()
    book = ledger.Ledger(str(tmp_path), ours=lambda: {me})
    assert book.begin() == 0
    for pid in range(5000):
        book.note(1_000_000 + pid, 7)
    lines = (tmp_path / "processes").read_text().splitlines()
    assert len(lines) < 2000
    assert any(line.startswith(f"{me} ") for line in lines)
    assert not list(tmp_path.glob("*.new"))
