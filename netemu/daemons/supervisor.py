"""Keeps the daemon's components running: the one place that catches everything.

A component that crashes is a bug; it is logged with its traceback, counted, and
started again after a back-off. The others go on: each reads the world anew, so a
restart needs no help from anybody.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from prometheus_client import Counter

_log = logging.getLogger(__name__)

RESTARTS = Counter(
    "netemu_component_restarts_total", "Components that crashed and were restarted", ["component"]
)
_FIRST_DELAY_S = 0.1
_LONGEST_DELAY_S = 10.0
_STABLE_AFTER_S = 60.0


async def keep_running(name: str, run: Callable[[], Awaitable[None]]) -> None:
    """Run `run()` for ever; only cancellation ends it."""
    loop = asyncio.get_running_loop()
    delay = _FIRST_DELAY_S
    while True:
        started = loop.time()
        try:
            await run()
            _log.error("%s ended, which it never should", name)
        except Exception:
            _log.exception("%s crashed", name)
        RESTARTS.labels(name).inc()
        if loop.time() - started > _STABLE_AFTER_S:
            delay = _FIRST_DELAY_S
        await asyncio.sleep(delay)
        delay = min(delay * 2, _LONGEST_DELAY_S)
