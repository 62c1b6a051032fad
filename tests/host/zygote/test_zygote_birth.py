"""The zygote's start, side by side with the daemon's."""

from __future__ import annotations

import asyncio
import os
import select

import pytest
from zygote_pods import CLUSTER, PRELOAD

from netemu.errors import HostError
from netemu.host.runtime import ZygoteRuntime, start_zygote
from netemu.host.zygote import birth

pytestmark = pytest.mark.root


def _read_to_end(descriptor: int) -> bytes:
    try:
        readable, _, _ = select.select([descriptor], [], [], 20)
        assert readable
        return os.read(descriptor, 1)
    finally:
        os.close(descriptor)


async def test_whoever_begins_a_zygote_hears_when_it_listens(tmp_path, monkeypatch):
    """The descriptor comes at once, and ends when the zygote answers."""
    monkeypatch.setenv("PYTHONPATH", os.path.dirname(__file__))
    run, state = tmp_path / "run", tmp_path / "state"
    begun = birth.begin(run, state, CLUSTER, PRELOAD)
    assert await asyncio.to_thread(_read_to_end, begun) == b""
    assert birth.answers(run)
    again = birth.begin(run, state, CLUSTER, PRELOAD)
    assert _read_to_end(again) == b""
    runtime = await ZygoteRuntime.connect(run)
    assert await runtime.containers() == []
    await runtime.shutdown()
    assert not birth.answers(run)


async def test_a_zygote_that_cannot_start_is_heard_of_too(tmp_path, capfd):
    """The descriptor ends; who then starts it properly is told why not."""
    run, state = tmp_path / "run", tmp_path / "state"
    begun = birth.begin(run, state, CLUSTER, ["netemu.nothing_of_that_name"])
    assert await asyncio.to_thread(_read_to_end, begun) == b""
    assert not birth.answers(run)
    with pytest.raises(HostError, match="nothing_of_that_name"):
        await start_zygote(run, state, CLUSTER, ["netemu.nothing_of_that_name"])
