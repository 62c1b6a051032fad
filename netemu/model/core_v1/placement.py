"""core/v1: where a Pod wants to run, and where it is tolerated."""

from typing import Annotated

from netemu.model.meta_v1 import LabelSelector
from netemu.model.wire import ApiStruct, always, always_list


class NodeSelectorRequirement(ApiStruct):
    key: Annotated[str, 1] = always(str)
    operator: Annotated[str, 2] = always(str)
    values: Annotated[list[str], 3] = []


class NodeSelectorTerm(ApiStruct):
    match_expressions: Annotated[list[NodeSelectorRequirement], 1] = []
    match_fields: Annotated[list[NodeSelectorRequirement], 2] = []


class NodeSelector(ApiStruct):
    node_selector_terms: Annotated[list[NodeSelectorTerm], 1] = always_list()


class PreferredSchedulingTerm(ApiStruct):
    weight: Annotated[int, 1] = always(int)
    preference: Annotated[NodeSelectorTerm, 2] = always(NodeSelectorTerm)


class NodeAffinity(ApiStruct):
    required_during_scheduling_ignored_during_execution: Annotated[NodeSelector | None, 1] = None
    preferred_during_scheduling_ignored_during_execution: Annotated[
        list[PreferredSchedulingTerm], 2
    ] = []


class PodAffinityTerm(ApiStruct):
    label_selector: Annotated[LabelSelector | None, 1] = None
    namespaces: Annotated[list[str], 2] = []
    topology_key: Annotated[str, 3] = always(str)
    namespace_selector: Annotated[LabelSelector | None, 4] = None
    match_label_keys: Annotated[list[str], 5] = []
    mismatch_label_keys: Annotated[list[str], 6] = []


class WeightedPodAffinityTerm(ApiStruct):
    weight: Annotated[int, 1] = always(int)
    pod_affinity_term: Annotated[PodAffinityTerm, 2] = always(PodAffinityTerm)


class PodAffinity(ApiStruct):
    required_during_scheduling_ignored_during_execution: Annotated[list[PodAffinityTerm], 1] = []
    preferred_during_scheduling_ignored_during_execution: Annotated[
        list[WeightedPodAffinityTerm], 2
    ] = []


class PodAntiAffinity(ApiStruct):
    required_during_scheduling_ignored_during_execution: Annotated[list[PodAffinityTerm], 1] = []
    preferred_during_scheduling_ignored_during_execution: Annotated[
        list[WeightedPodAffinityTerm], 2
    ] = []


class Affinity(ApiStruct):
    node_affinity: Annotated[NodeAffinity | None, 1] = None
    pod_affinity: Annotated[PodAffinity | None, 2] = None
    pod_anti_affinity: Annotated[PodAntiAffinity | None, 3] = None


class Toleration(ApiStruct):
    key: Annotated[str, 1] = ""
    operator: Annotated[str, 2] = ""
    value: Annotated[str, 3] = ""
    effect: Annotated[str, 4] = ""
    toleration_seconds: Annotated[int | None, 5] = None


class TopologySpreadConstraint(ApiStruct):
    max_skew: Annotated[int, 1] = always(int)
    topology_key: Annotated[str, 2] = always(str)
    when_unsatisfiable: Annotated[str, 3] = always(str)
    label_selector: Annotated[LabelSelector | None, 4] = None
    min_domains: Annotated[int | None, 5] = None
    node_affinity_policy: Annotated[str | None, 6] = None
    node_taints_policy: Annotated[str | None, 7] = None
    match_label_keys: Annotated[list[str], 8] = []
