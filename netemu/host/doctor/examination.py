"""Everything that `netemu doctor` looks at."""

from __future__ import annotations

import platform

from netemu.core.doctor import sights
from netemu.core.doctor.findings import Observation
from netemu.host.doctor import kernel, limits, machine, network, programs, surroundings, throwaway


def examine() -> dict[str, Observation]:
    """Look at everything; changes nothing on the host and needs no root."""
    asked = programs.ask_versions()
    found = surroundings.look() | limits.look() | machine.look() | network.look()
    found["kernel"] = sights.see_version(platform.release(), sights.KERNEL_MIN)
    found["python"] = sights.see_version(platform.python_version(), sights.PYTHON_MIN)
    found["root directory"] = kernel.look_at_root()
    found["br_netfilter"] = kernel.look_for_bridge_filter()
    found |= throwaway.run({**kernel.LINKS, **kernel.RULES, **kernel.LAST})
    found |= programs.read_versions(asked)
    found["kubectl"] = sights.see_kubectl(found["kubectl"])
    found["iptables rules"] = _own_flavour(found)
    return found


def _own_flavour(found: dict[str, Observation]) -> Observation:
    """What `--iptables auto` comes to: the flavour of the host's own program."""
    if not found["iptables"].fine:
        return Observation(None, "there is no iptables to try them with")
    name = "iptables-legacy" if "legacy" in found["iptables"].detail else "iptables-nft"
    rules = found[name]
    return (
        Observation(rules.fine, f"{name} takes all that kube-proxy needs") if rules.fine else rules
    )
