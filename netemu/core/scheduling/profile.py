"""The default profile: all filters and scores there are; the filters in their order.

The order decides which reason a Node gives, so a tuple states it; a filter
that is not in it comes last.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from netemu import plugins
from netemu.core.scheduling import filters, scores
from netemu.core.scheduling.contract import Filter, Score

FILTER_ORDER = (
    "NodeUnschedulable",
    "NodeName",
    "TaintToleration",
    "NodeAffinity",
    "NodePorts",
    "NodeResourcesFit",
    "PodTopologySpread",
    "InterPodAffinity",
)


class Profile(msgspec.Struct, frozen=True):
    filters: Sequence[Filter]
    scores: Sequence[Score]


def default_profile() -> Profile:
    found: list[Filter] = [*plugins.load(filters, "FILTER").values()]
    place = {name: number for number, name in enumerate(FILTER_ORDER)}
    ordered = sorted(found, key=lambda one: place.get(one.name, len(place)))
    return Profile(ordered, [*plugins.load(scores, "SCORE").values()])
