"""The atomic writer and the reading of logs, on real files."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from netemu.core.kubelet.cri_log import LogFilter
from netemu.daemons.kubelet import atomic_writer, logs


def test_files_are_links_that_move_together(tmp_path: Path) -> None:
    """Names lead through ..data; a change swaps the directory behind it."""
    top = str(tmp_path)
    assert atomic_writer.write(top, {"a": (b"1", 0o644), "d/b": (b"2", 0o400)})
    assert os.readlink(tmp_path / "a") == "..data/a"
    first = os.readlink(tmp_path / "..data")
    assert (tmp_path / "d/b").read_bytes() == b"2"
    assert (tmp_path / "d/b").stat().st_mode & 0o777 == 0o400
    assert atomic_writer.write(top, {"a": (b"1!", 0o644)})
    assert os.readlink(tmp_path / "..data") != first
    assert (tmp_path / "a").read_bytes() == b"1!"
    assert not (tmp_path / "d").exists()
    assert not (tmp_path / first).exists()


def test_writing_the_same_again_changes_nothing(tmp_path: Path) -> None:
    """Applying twice equals applying once."""
    files = {"a": (b"1", 0o644)}
    assert atomic_writer.write(str(tmp_path), files)
    before = os.readlink(tmp_path / "..data")
    assert not atomic_writer.write(str(tmp_path), files)
    assert os.readlink(tmp_path / "..data") == before


def test_a_bent_link_is_not_followed(tmp_path: Path) -> None:
    """What a container made of ..data decides nothing about the host's files."""
    volume, host = tmp_path / "volume", tmp_path / "host"
    volume.mkdir()
    host.mkdir()
    (host / "file").write_text("kept")
    atomic_writer.write(str(volume), {"a": (b"1", 0o644)})
    (volume / "..data").unlink()
    (volume / "..data").symlink_to("../host")
    (volume / "..more").symlink_to("../host")
    assert atomic_writer.write(str(volume), {"a": (b"2", 0o644)})
    assert (volume / "a").read_bytes() == b"2"
    assert (host / "file").read_text() == "kept"


def test_a_write_that_was_interrupted_is_repeated(tmp_path: Path) -> None:
    """What a crash left of it is neither in the way nor there afterwards."""
    (tmp_path / "..data_tmp").symlink_to("..2026_01_02_03_04_05.lost")
    (tmp_path / "..2026_01_02_03_04_05.lost").mkdir()
    assert atomic_writer.write(str(tmp_path), {"a": (b"1", 0o644)})
    current = os.readlink(tmp_path / "..data")
    assert sorted(os.listdir(tmp_path)) == sorted([current, "..data", "a"])


async def test_a_followed_log_ends_with_its_run(tmp_path: Path) -> None:
    """What is appended is seen, an unfinished line waits, the end of the run ends it."""
    path = tmp_path / "0.log"
    path.write_bytes(b"2026-01-02T03:04:05Z stdout F one\n2026-01-02T03:04:06Z std")
    running = True

    async def write_more() -> None:
        nonlocal running
        with path.open("ab") as file:
            file.write(b"out F two\n2026-01-02T03:04:07Z stdout F three\n")
        running = False

    read = logs.read(str(path), LogFilter(), follow=True, running=lambda: running)
    assert await anext(read) == b"one\n"
    async with asyncio.TaskGroup() as group:
        group.create_task(write_more())
        assert b"".join([data async for data in read]) == b"two\nthree\n"


async def test_a_rotated_log_is_followed_into_its_new_file(tmp_path: Path) -> None:
    """When the runtime begins a new file, the reader goes on there."""
    path = tmp_path / "0.log"
    path.write_bytes(b"2026-01-02T03:04:05Z stdout F one\n")
    running = True
    read = logs.read(str(path), LogFilter(), follow=True, running=lambda: running)
    assert await anext(read) == b"one\n"
    path.rename(tmp_path / "0.log.1")
    path.write_bytes(b"2026-01-02T03:04:06Z stdout F two\n")
    assert await anext(read) == b"two\n"
    running = False
    assert [data async for data in read] == []
