"""Keep the overlay's own rules in a node, beside kube-proxy's and everybody else's."""

from __future__ import annotations

from netemu.core.netfilter import restore
from netemu.core.netfilter.tables import Tables
from netemu.core.overlay import masquerade
from netemu.host.netfilter import Netfilter


async def keep(netfilter: Netfilter, wanted: Tables) -> int:
    """Write what is missing or differs of the rules; return how many bytes that took."""
    observed = await netfilter.observe()
    old = restore.known(observed, wanted, ours=masquerade.ours)
    jumps = restore.missing_jumps(observed, masquerade.JUMPS)
    return await netfilter.change(old, wanted, jumps=jumps)
