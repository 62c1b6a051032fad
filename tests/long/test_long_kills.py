"""Nothing is lost when things die: two hundred kills under churn and load."""

from __future__ import annotations

from pathlib import Path

import pytest
from long.trial import UP_AND_DOWN, Trial, the_seed
from netemu_command import Netemu

pytestmark = [pytest.mark.root, pytest.mark.long]

KILLS = {
    "daemon": 50,
    "zygote": 30,
    "daemon and zygote": 20,
    "daemon while it adopts": 20,
    "node holder": 10,
    "pause": 12,
    "container": 12,
    "DNS server": 8,
    UP_AND_DOWN: 19,  # Each is two.
}


async def test_two_hundred_kills(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """Each acknowledged write is there, watches have no gap, traffic goes on, nothing is left."""

    def say(text: str) -> None:
        with capsys.disabled():
            print(f"\n{text}", end="", flush=True)

    say(await Trial(Netemu(tmp_path), seed=the_seed(), say=say).run(KILLS))
