"""Log files in the CRI's format."""

from __future__ import annotations

import os
import subprocess

import pytest

from netemu.host.zygote.logs import LogFile, Pump, entry


def _pump(tmp_path, **options):
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    return Pump(reading, "stdout", LogFile(str(tmp_path / "deep" / "0.log"), **options)), writing


def _texts(tmp_path):
    lines = (tmp_path / "deep" / "0.log").read_text().splitlines()
    return [tuple(line.split(" ", 3)[1:]) for line in lines]


def test_an_entry_has_nine_digits_of_a_second():
    """The stamp is RFC 3339 with nanoseconds, in UTC."""
    assert (
        entry(b"stdout", b"F", b"x", 1_000_000_001)
        == b"1970-01-01T00:00:01.000000001Z stdout F x\n"
    )


def test_lines_are_put_together_from_pieces(tmp_path):
    """A line that comes in two reads is one entry."""
    pump, writing = _pump(tmp_path)
    os.write(writing, b"one\ntw")
    assert pump.carry()
    os.write(writing, b"o\n\n")
    assert pump.carry()
    os.close(writing)
    assert not pump.carry()
    pump.close()
    assert _texts(tmp_path) == [("stdout", "F", "one"), ("stdout", "F", "two"), ("stdout", "F", "")]


def test_long_lines_are_cut(tmp_path):
    """Parts of 16 KiB bear P, the last one F."""
    pump, writing = _pump(tmp_path)
    os.write(writing, b"x" * 40_000 + b"\n" + b"tail")
    os.close(writing)
    pump.drain()
    pump.close()
    assert [(tag, len(text)) for _, tag, text in _texts(tmp_path)] == [
        ("P", 16384),
        ("P", 16384),
        ("F", 40_000 - 2 * 16384),
        ("F", 4),
    ]


def test_nothing_there_is_not_the_end(tmp_path):
    """A pipe that is empty for now is still carried."""
    pump, writing = _pump(tmp_path)
    assert pump.carry()
    os.close(writing)
    pump.close()


def test_old_parts_go(tmp_path):
    """Five files at most remain, the oldest go first."""
    for number in range(6):
        (tmp_path / f"0.log.20240101-00000{number}").touch()
    log = LogFile(str(tmp_path / "0.log"), rotate_at=10)
    log.write(b"0123456789\n")
    log.write(b"next\n")
    log.close()
    left = sorted(path.name for path in tmp_path.iterdir())
    assert len(left) == 5
    assert left[0] == "0.log"
    assert "0.log.20240101-000002" not in left
    assert (tmp_path / "0.log").read_text() == "next\n"


def test_a_flood_is_kept_small(tmp_path):
    """However much is written within a second, five files of the size remain, the newest."""
    log = LogFile(str(tmp_path / "0.log"), rotate_at=10)
    for number in range(100):
        log.write(b"%09d\n" % number)
    log.close()
    parts = sorted(tmp_path.iterdir(), key=lambda path: (path.name != "0.log", path.name))
    assert len(parts) <= 5
    assert sum(path.stat().st_size for path in parts) <= 50
    kept = [int(path.read_text()) for path in sorted(tmp_path.iterdir()) if path.stat().st_size]
    assert max(kept) == 99
    assert min(kept) >= 95


@pytest.mark.root
def test_logs_leave_room_on_the_disk_and_tell_of_the_gap(tmp_path):
    """A twentieth of a small disk stays free; where entries are missing, a line says so."""
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)], check=True)
    try:
        log = LogFile(str(disk / "0.log"))
        for _ in range(2000):
            log.write(b"x" * 999 + b"\n")
        there = os.statvfs(disk)
        free = there.f_bavail * there.f_frsize
        assert 1 << 20 > free * 20 > (1 << 20) * 0.9
        missing = 2_000_000 - log.size()
        os.truncate(disk / "0.log", 0)
        log.write(b"later\n")
        log.close()
        told, later = (disk / "0.log").read_bytes().rsplit(b"\n", 3)[-3:-1]
        assert told.endswith(b"netemu: the disk was full: %d bytes are missing here" % missing)
        assert later == b"later"
    finally:
        subprocess.run(["umount", str(disk)], check=True)
