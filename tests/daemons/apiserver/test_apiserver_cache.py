"""What the API server's caches remember of the past, and when they let it go."""

from __future__ import annotations

import pytest

from netemu.daemons.apiserver import versions
from netemu.daemons.apiserver.cache import ResourceCache
from netemu.daemons.apiserver.selection import Selection
from netemu.daemons.apiserver.watching import Happening
from netemu.errors import ApiError
from netemu.model.core_v1 import ConfigMap
from netemu.model.kinds import by_type
from netemu.model.meta_v1 import ObjectMeta

_AN_HOUR_S = 3600.0


def _happening(revision: int, seconds: float) -> Happening:
    config = ConfigMap(metadata=ObjectMeta(name=f"c-{revision}", namespace="t"))
    kept = versions.stamped(config, revision)
    return Happening(kept, None, deleted=False, seconds=seconds, stamp=versions.restamped)


def _cache(writes: int) -> ResourceCache:
    cache = ResourceCache(by_type(ConfigMap))
    for revision in range(1, writes + 1):
        cache.apply(_happening(revision, seconds=0.0))
    return cache


def test_time_alone_takes_the_past_away():
    """After a burst nobody may write for long; what is remembered goes all the same."""
    cache = _cache(writes=1000)
    assert cache.forgotten == 0
    cache.forget_old(_AN_HOUR_S)
    assert 0 < 1000 - cache.forgotten <= 256
    assert len(cache) == 1000, "the present stays"


def test_a_watch_begins_where_the_past_is_still_known():
    """Behind that it is for the store to say; the cache refuses rather than leave a gap."""
    cache = _cache(writes=1000)
    cache.forget_old(_AN_HOUR_S)
    watcher = cache.watch(Selection(), after=cache.forgotten)
    seen = [sight.kept.revision for sight in watcher.fetch_all()]
    assert seen == list(range(cache.forgotten + 1, 1001))
    with pytest.raises(ApiError, match="too old"):
        cache.watch(Selection(), after=cache.forgotten - 1)


def test_a_burst_is_remembered_only_so_far():
    """Each version is a whole object: there is a bound, however short the time."""
    cache = _cache(writes=5000)
    assert 5000 - cache.forgotten == 1024
