"""What Tab offers: clusters, nodes, pods, kinds, scenarios.

All of it is on the host, where anybody may look: the names of network namespaces in
/run/netns, of folders in /var/lib/netemu. No API server is asked and no root is needed, so
it takes as long as starting netemu. What cannot be told so is not offered.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from netemu.core import names
from netemu.host import clusters, netns

if TYPE_CHECKING:
    from click import Context, Parameter
    from click.shell_completion import CompletionItem

_SCENARIOS = Path(__file__).resolve().parents[2] / "scenarios"


def known_clusters(_context: Context, _parameter: Parameter, begun: str) -> list[str]:
    return _those(begun, clusters.known())


def nodes(context: Context, _parameter: Parameter, begun: str) -> list[str]:
    return _those(begun, nodes_in(_namespaces(context)))


def pods(context: Context, _parameter: Parameter, begun: str) -> list[str]:
    """Offer pods by name or as `pod/NAME`, as it was begun."""
    lead = "pod/" if begun.startswith("pod/") else ""
    namespace = context.params.get("namespace") or "default"
    found = pods_in(_namespaces(context), namespace)
    return _those(begun, [f"{lead}{pod}" for pod in found])


def places(context: Context, _parameter: Parameter, begun: str) -> list[str]:
    """Offer where `netemu shell` leads to."""
    here = _namespaces(context)
    running = pods_in(here, context.params.get("namespace") or "default")
    return _those(begun, [*nodes_in(here), "switch", *(f"pod/{pod}" for pod in running)])


def kinds(context: Context, parameter: Parameter, begun: str) -> list[str]:
    """Offer kinds; once one is typed, names of it as far as they are known: nodes, pods."""
    kind = str(context.params.get("kind") or next(iter(context.params.get("objects") or ()), ""))
    if not kind:
        from netemu.model.kinds import RESOURCES

        return _those(begun, [resource.plural for resource in RESOURCES])
    if kind in ("pod", "pods", "po"):
        return pods(context, parameter, begun)
    return nodes(context, parameter, begun) if kind in ("node", "nodes", "no") else []


def demos(_context: Context, _parameter: Parameter, begun: str) -> list[str]:
    return _those(begun, [path.stem for path in _SCENARIOS.glob("*.yaml")])


def files(_context: Context, _parameter: Parameter, begun: str) -> list[CompletionItem]:
    """Have the shell offer files."""
    from click.shell_completion import CompletionItem

    return [CompletionItem(begun, type="file")]


def _those(begun: str, offers: Iterable[str]) -> list[str]:
    return sorted({offer for offer in offers if offer.startswith(begun)})


# --- what the names of namespaces tell ---------------------------------------


def _namespaces(context: Context) -> list[str]:
    """Return what follows `netemu-CLUSTER-`, of the cluster that is meant."""
    chosen = str(context.params.get("cluster") or "")
    there = [chosen] if chosen else clusters.known()
    if len(there) != 1:
        return []
    prefix = names.netns_prefix(there[0])
    return [name.removeprefix(prefix) for name in netns.published(prefix)]


def nodes_in(namespaces: Iterable[str]) -> list[str]:
    """`NODE` is a node's; `NODE-NAMESPACE-POD` with a node before it is a pod's."""
    every = set(namespaces) - {"underlay"}
    return sorted(name for name in every if not _rests(name, every))


def pods_in(namespaces: Iterable[str], namespace: str) -> list[str]:
    every = set(namespaces)
    held = set(nodes_in(every))
    rests = (rest for name in every for rest in _rests(name, held)[-1:])
    lead = f"{namespace}-"
    return sorted(rest.removeprefix(lead) for rest in rests if rest.startswith(lead))


def _rests(name: str, before: set[str]) -> list[str]:
    """Return what follows each name of `before` that this one begins with: `NAMESPACE-POD`."""
    parts = name.split("-")
    cuts = range(1, len(parts) - 1)
    return ["-".join(parts[cut:]) for cut in cuts if "-".join(parts[:cut]) in before]
