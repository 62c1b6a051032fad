"""Waiting a moment for what is about to come.

A namespace gets its ServiceAccount `default` from a controller, a moment after it is
made. A Pod that is created in between waits for it, as it does in Kubernetes, instead
of being refused.
"""

from __future__ import annotations

import asyncio
import contextlib

from netemu.daemons.apiserver.cache import ResourceCache
from netemu.daemons.apiserver.selection import Selection
from netemu.model.core_v1 import Pod
from netemu.model.schema import ApiObject

_ACCOUNT = "default"
_WITHIN_S = 1.0


def uses_default_account(obj: ApiObject) -> bool:
    return isinstance(obj, Pod) and obj.spec.service_account_name in ("", _ACCOUNT)


async def default_account(accounts: ResourceCache, namespace: str) -> None:
    """Wait until the namespace has its account, but not for long."""
    if accounts.get(namespace, _ACCOUNT) is not None:
        return
    watcher = accounts.watch_from_now(Selection(namespace, _ACCOUNT))
    try:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_WITHIN_S):
                await watcher.wait()
    finally:
        watcher.close()
