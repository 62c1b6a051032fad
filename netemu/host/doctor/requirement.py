"""What `netemu up` makes sure of before it makes anything, in a few milliseconds."""

from __future__ import annotations

from netemu.core.doctor.catalogue import CATALOGUE, FOR_UP
from netemu.core.doctor.findings import judge, stop_at_missing
from netemu.host.doctor import kernel, throwaway


def require(overlay: str) -> None:
    """Raise MissingFacility if a cluster could not be brought up here.

    `overlay` is the backend's name: only `vxlan` needs VXLAN.
    """
    wanted = [name for name in FOR_UP if name != "vxlan" or overlay == "vxlan"]
    probes = {**kernel.LINKS, **kernel.LAST}
    found = throwaway.run({name: probes[name] for name in probes if name in wanted})
    found["root directory"] = kernel.look_at_root()
    found["br_netfilter"] = kernel.look_for_bridge_filter()
    stop_at_missing(judge(CATALOGUE, found))
