"""Every store keeps the same promises: one suite, run against each."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from netemu.errors import HostError
from netemu.storage.contract import Compacted, RevisionConflict, Store
from netemu.storage.flushing import Flushing, flush
from netemu.storage.memory import MemoryStore
from netemu.storage.sqlite import SqliteStore


@pytest.fixture(params=["memory", "sqlite"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    made: Store = MemoryStore() if request.param == "memory" else SqliteStore(tmp_path / "db")
    yield made
    await made.close()


async def test_revisions_count_all_writes(store: Store):
    """Each write of any key gets the next number of the one counter."""
    assert store.revision == 0
    assert await store.put("/a", b"1", expected=0) == 1
    assert await store.put("/b", b"1", expected=0) == 2
    assert await store.put("/a", b"2", expected=1) == 3
    assert await store.delete("/b", b"1", expected=2) == 4
    assert store.revision == 4


async def test_second_writer_loses(store: Store):
    """A write that expects another revision than the key has changes nothing."""
    await store.put("/a", b"1", expected=0)
    for expected in (0, 2):
        with pytest.raises(RevisionConflict) as caught:
            await store.put("/a", b"2", expected=expected)
        assert caught.value.actual == 1
    with pytest.raises(RevisionConflict):
        await store.delete("/a", b"", expected=9)
    with pytest.raises(RevisionConflict) as caught:
        await store.delete("/none", b"", expected=9)
    assert caught.value.actual == 0
    entry = await store.get("/a")
    assert entry is not None
    assert (entry.value, entry.revision, store.revision) == (b"1", 1, 1)


async def test_list_is_by_prefix_and_ordered(store: Store):
    """A list holds what is present below the prefix, by key."""
    for key in ("/pods/b", "/pods/a", "/podsx", "/nodes/a"):
        await store.put(key, key.encode(), expected=0)
    await store.delete("/nodes/a", b"", expected=4)
    assert [entry.key for entry in await store.list("/pods/")] == ["/pods/a", "/pods/b"]
    assert await store.list("/nodes/") == []
    assert await store.get("/nodes/a") is None


async def test_changes_tell_history(store: Store):
    """History after a revision is complete, ordered, and says what was deleted."""
    await store.put("/a", b"1", expected=0)
    await store.put("/b", b"1", expected=0)
    await store.delete("/a", b"last", expected=1)
    told = [(c.revision, c.key, c.value, c.deleted) for c in await store.changes(after=1)]
    assert told == [(2, "/b", b"1", False), (3, "/a", b"last", True)]
    assert [c.revision for c in await store.changes(after=0, prefix="/b")] == [2]


async def test_compaction_keeps_the_present(store: Store):
    """Compaction forgets changes, never a present value, and says what is forgotten."""
    for number in range(5):
        await store.put("/a", b"%d" % number, expected=number)
    await store.put("/old", b"x", expected=0)
    await store.delete("/old", b"x", expected=6)
    await store.compact(7)
    assert store.compacted == 7
    with pytest.raises(Compacted):
        await store.changes(after=3)
    assert await store.changes(after=7) == []
    entry = await store.get("/a")
    assert entry is not None
    assert entry.value == b"4"
    assert await store.put("/a", b"5", expected=5) == 8
    assert [c.revision for c in await store.changes(after=7)] == [8]


async def test_watch_replays_then_follows(store: Store):
    """A watch starts in history and goes on with what is written meanwhile."""
    await store.put("/a", b"1", expected=0)
    await store.put("/a", b"2", expected=1)
    watch = store.watch(after=1, prefix="/a")
    assert (await anext(watch)).value == b"2"
    waiting = asyncio.ensure_future(anext(watch))
    await asyncio.sleep(0)
    await store.put("/b", b"other", expected=0)
    await store.put("/a", b"3", expected=2)
    assert (await asyncio.wait_for(waiting, 2)).value == b"3"


async def test_closing_ends_watches(store: Store):
    """A watch ends when its store is closed."""
    watch = store.watch(after=0)
    waiting = asyncio.ensure_future(anext(watch, None))
    await asyncio.sleep(0)
    await store.close()
    assert await asyncio.wait_for(waiting, 2) is None


async def test_reopened_file_holds_everything(tmp_path: Path):
    """Values, revisions, history and compaction are in the file."""
    first = SqliteStore(tmp_path / "db")
    await first.put("/a", b"1", expected=0)
    await first.put("/b", b"1", expected=0)
    await first.compact(1)
    await first.delete("/b", b"1", expected=2)
    await first.close()
    second = SqliteStore(tmp_path / "db")
    assert (second.revision, second.compacted) == (3, 1)
    assert [entry.key for entry in await second.list("/")] == ["/a"]
    await second.compact(3)
    await second.close()
    third = SqliteStore(tmp_path / "db")
    assert third.revision == 3, "a compacted deletion's number is not given out again"
    assert await third.put("/c", b"1", expected=0) == 4
    await third.close()


async def test_second_process_is_refused(tmp_path: Path):
    """A second process on the same file is told so in one sentence."""
    store = SqliteStore(tmp_path / "db")
    await store.put("/a", b"1", expected=0)
    program = (
        "import sys; from pathlib import Path; from netemu.errors import HostError\n"
        "from netemu.storage.sqlite import SqliteStore\n"
        "try: SqliteStore(Path(sys.argv[1]))\n"
        "except HostError as error: print(error)\n"
    )
    argv = [sys.executable, "-c", program, str(tmp_path / "db")]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=20, check=True)
    expected = f"opening the cluster's store in {tmp_path}/db: another process is using it"
    assert done.stdout.strip() == expected
    await store.close()


async def test_acknowledged_writes_survive_a_kill(tmp_path: Path):
    """What a write has returned is there after the process was killed."""
    program = (
        "import asyncio, os, sys; from pathlib import Path\n"
        "from netemu.storage.sqlite import SqliteStore\n"
        "async def main():\n"
        "    store = SqliteStore(Path(sys.argv[1]))\n"
        "    for n in range(100): await store.put(f'/k{n}', b'v', expected=0)\n"
        "    os.kill(os.getpid(), 9)\n"
        "asyncio.run(main())\n"
    )
    argv = [sys.executable, "-c", program, str(tmp_path / "db")]
    done = subprocess.run(argv, timeout=20, check=False, env=dict(os.environ))
    assert done.returncode == -9
    store = SqliteStore(tmp_path / "db")
    assert len(await store.list("/k")) == 100
    await store.close()


async def test_foreign_file_is_refused(tmp_path: Path):
    """A file that is no database is said to be none."""
    (tmp_path / "db").write_text("this is not a database, and it is long enough to tell" * 20)
    with pytest.raises(HostError, match="not a database"):
        SqliteStore(tmp_path / "db")


async def test_quiet_watch_survives_compaction(store: Store):
    """A watch that saw all there was to see is not too old, however little of it was its own."""
    await store.put("/mine/a", b"1", expected=0)
    watch = store.watch(after=0, prefix="/mine/")
    assert (await anext(watch)).revision == 1
    waiting = asyncio.ensure_future(anext(watch))
    for number in range(5):
        await store.put(f"/other/{number}", b"", expected=0)
        await asyncio.sleep(0)
    await store.compact(store.revision)
    await store.put("/mine/b", b"2", expected=0)
    async with asyncio.timeout(5):
        assert (await waiting).key == "/mine/b"


async def test_closing_ends_a_watch_that_is_busy(store: Store):
    """A watch whose reader is busy while the store is closed ends when it asks for more."""
    await store.put("/a", b"1", expected=0)
    watch = store.watch(after=0)
    await anext(watch)
    await store.close()
    async with asyncio.timeout(5):
        with pytest.raises(StopAsyncIteration):
            await anext(watch)


async def test_what_was_present_at_a_revision(store: Store):
    """The past can be listed back to the compaction, and no further."""
    await store.put("/a", b"1", expected=0)
    await store.put("/b", b"1", expected=0)
    await store.put("/a", b"2", expected=1)
    await store.delete("/b", b"1", expected=2)
    await store.put("/a", b"3", expected=3)
    for compacted in (0, 2, 3):
        await store.compact(compacted)
        for revision, present in ((3, [b"2", b"1"]), (4, [b"2"]), (5, [b"3"])):
            found = [entry.value for entry in await store.list_at("/", revision)]
            assert found == present, (compacted, revision)
    assert await store.list_at("/b", 4) == []
    with pytest.raises(Compacted):
        await store.list_at("/", 2)
    await store.compact(5)
    assert [entry.revision for entry in await store.list_at("/", 5)] == [5]


async def test_nothing_can_come_into_a_write(store: Store):
    """A write does not wait for anything: it cannot be cancelled half-way."""
    for write in (store.put("/a", b"1", expected=0), store.delete("/a", b"1", expected=1)):
        with pytest.raises(StopIteration):
            write.send(None)


async def test_writes_are_hurried_to_the_disk_once_however_many(caplog: pytest.LogCaptureFixture):
    """Shown by a file that no disk can have: each time it is hurried, that is complained of."""
    flushing = Flushing(Path("/dev/null"), within_s=0.01)

    async def hurried(times: int) -> None:
        async with asyncio.timeout(5):
            while len(caplog.records) < times:
                await asyncio.sleep(0.005)

    for _ in range(10):
        flushing.due()
    await hurried(1)
    flushing.due()
    await hurried(2)
    flushing.due()
    flushing.close()
    assert len(caplog.records) == 3
    assert "/dev/null does not reach the disk" in caplog.text


async def test_a_store_hurries_its_log(tmp_path: Path):
    """The file beside the store is the one that holds what was written last."""
    store = SqliteStore(tmp_path / "db")
    await store.put("/a", b"1", expected=0)
    assert (tmp_path / "db-wal").stat().st_size > 0
    await store.close()
    flush(tmp_path / "db-wal")  # It is gone by now: nothing to hurry.
