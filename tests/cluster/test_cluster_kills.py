"""Nothing is lost when things die: the short form of what `test --all` proves at length."""

from __future__ import annotations

from pathlib import Path

import pytest
from long.trial import Trial, the_seed
from netemu_command import Netemu

pytestmark = pytest.mark.root

KILLS = {"daemon": 2, "zygote": 2, "daemon and zygote": 1, "daemon while it adopts": 2}
KILLS |= {"container": 1, "DNS server": 1}


async def test_a_few_kills(tmp_path: Path):
    """Each acknowledged write is there, watches have no gap, traffic goes on, nothing is left."""
    print(await Trial(Netemu(tmp_path), seed=the_seed()).run(KILLS))
