"""A zygote of the test's own, and Pods in it."""

from __future__ import annotations

import glob
import os
from collections.abc import AsyncIterator

import pytest
from zygote_pods import CLUSTER, PRELOAD, Pods

from netemu.host.runtime import ZygoteRuntime, start_zygote


@pytest.fixture
async def pods(tmp_path, monkeypatch) -> AsyncIterator[Pods]:
    monkeypatch.setenv("PYTHONPATH", os.path.dirname(__file__))
    run_dir = tmp_path / "run"
    await start_zygote(run_dir, tmp_path / "state", CLUSTER, PRELOAD)
    runtime = await ZygoteRuntime.connect(run_dir)
    made = Pods(runtime, tmp_path)
    yield made
    await made.runtime.shutdown()
    assert [path.name for path in run_dir.iterdir()] == ["zygote.log"]
    assert (run_dir / "zygote.log").read_text() == ""
    assert glob.glob(f"/sys/fs/cgroup/**/netemu-{CLUSTER}.*", recursive=True) == []
