"""The daemon's ear, and what it says to nonsense and to wishes that cannot be."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from netemu.cluster import control
from netemu.cluster.control import Wish
from netemu.errors import HostError, UserError


async def _refuse(wish: Wish) -> None:
    raise UserError(f"there is no {wish.wait_for}")


@pytest.fixture
async def heard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(control, "socket_path", lambda _cluster: tmp_path / "control.sock")
    async with control.listening("here", _refuse):
        yield tmp_path / "control.sock"


@pytest.mark.parametrize("line", [b"x" * 200_000, b"{", b'{"wait_for": 3}', b"[]"])
async def test_nonsense_gets_an_answer(heard: Path, line: bytes):
    """Whoever says what nobody understands is told so, and not left to wait."""
    reader, writer = await asyncio.open_unix_connection(heard, limit=1 << 20)
    writer.write(line + b"\n")
    async with asyncio.timeout(10):
        assert b'"error":"' in await reader.readline()
    writer.close()


async def test_a_wish_that_cannot_be_is_answered_with_its_reason(heard: Path):
    """It is not the end of the daemon, and not told as if it were."""
    with pytest.raises(HostError, match="there is no worker-9"):
        await asyncio.to_thread(control.ask, "here", Wish(wait_for="worker-9"))


async def test_only_root_is_heard(heard: Path):
    """The socket's mode shuts others out."""
    assert heard.stat().st_mode & 0o777 == 0o600
