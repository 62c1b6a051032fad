"""One person with a home for each module, and a cluster that its tests share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from netemu_command import Netemu, new_name


@pytest.fixture(scope="module")
def netemu(tmp_path_factory: pytest.TempPathFactory) -> Netemu:
    return Netemu(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def lab(netemu: Netemu) -> Iterator[str]:
    """A cluster of three nodes that nobody destroys."""
    with netemu.cluster(new_name("lab")) as name:
        yield name
