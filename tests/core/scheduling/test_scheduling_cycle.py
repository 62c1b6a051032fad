"""The scheduling cycle: which Nodes are possible, which is best, and what is said if none is."""

from collections import Counter

import pytest

from netemu.core.scheduling.cycle import NO_NODES, Unschedulable
from netemu.model.core_v1 import (
    Affinity,
    ContainerImage,
    NodeAffinity,
    NodeSelector,
    NodeSelectorRequirement,
    NodeSelectorTerm,
    PodAffinity,
    PodAffinityTerm,
    PodAntiAffinity,
    PreferredSchedulingTerm,
    Taint,
    Toleration,
    TopologySpreadConstraint,
    WeightedPodAffinityTerm,
)
from netemu.model.meta_v1 import LabelSelector

CONTROL_PLANE = Taint(key="node-role.kubernetes.io/control-plane", effect="NoSchedule")
HOST = "kubernetes.io/hostname"
ZONE = "topology.kubernetes.io/zone"
NOT_HELPFUL = "Preemption is not helpful for scheduling."
NO_VICTIMS = "No preemption victims found for incoming pod."


def _term(key, operator, *values):
    requirement = NodeSelectorRequirement(key=key, operator=operator, values=list(values))
    return NodeSelectorTerm(match_expressions=[requirement])


def _near(labels, key=HOST):
    return PodAffinityTerm(label_selector=LabelSelector(match_labels=labels), topology_key=key)


def test_without_nodes_it_says_so(bench):
    """And no filter is to blame: any event may help."""
    assert bench.try_pod(bench.pod()) == Unschedulable(NO_NODES, frozenset())


def test_the_text_counts_reasons_and_sorts_them_as_text(bench):
    """The words of `kubectl describe pod`, preemption's verdict included."""
    bench.node("control-plane", taints=[CONTROL_PLANE])
    bench.node("worker-1", unschedulable=True)
    for number in range(10):
        bench.node(f"small-{number}", cpu="1")
    message = bench.place(bench.pod(cpu="2"))
    assert message == (
        "0/12 nodes are available: 1 node(s) had untolerated taint "
        "{node-role.kubernetes.io/control-plane: }, 1 node(s) were unschedulable, "
        "10 Insufficient cpu. preemption: 0/12 nodes are available: 12 " + NOT_HELPFUL
    )


def test_full_nodes_say_all_that_they_lack(bench):
    """One reason a resource; what others occupy might be freed."""
    bench.node("n", cpu="2", memory="1Gi", pods="1")
    assert bench.place(bench.pod(cpu="1500m", memory="900Mi")) == "n"
    message = bench.place(bench.pod(cpu="1", memory="200Mi"))
    assert message == (
        "0/1 nodes are available: 1 Insufficient cpu, 1 Insufficient memory, 1 Too many pods. "
        "preemption: 0/1 nodes are available: 1 " + NO_VICTIMS
    )


@pytest.mark.parametrize(
    ("toleration", "fits"),
    [
        (Toleration(key="k", operator="Equal", value="v", effect="NoSchedule"), True),
        (Toleration(key="k", operator="Exists"), True),
        (Toleration(operator="Exists"), True),
        (Toleration(key="k", value="other"), False),
        (Toleration(key="k", operator="Exists", effect="NoExecute"), False),
    ],
)
def test_taints_are_tolerated(bench, toleration, fits):
    """By key, value and effect, or by anything."""
    bench.node("n", taints=[Taint(key="k", value="v", effect="NoSchedule")])
    assert (bench.place(bench.pod(tolerations=[toleration])) == "n") is fits


def test_a_cordoned_node_takes_who_tolerates_it(bench):
    """By its own taint's key."""
    bench.node("n", unschedulable=True)
    assert "were unschedulable" in bench.place(bench.pod())
    key = "node.kubernetes.io/unschedulable"
    assert bench.place(bench.pod(tolerations=[Toleration(key=key, operator="Exists")])) == "n"


def test_node_selector_and_required_affinity(bench):
    """All of the selector, any of the terms."""
    bench.node("a", labels={"disk": "ssd", "gen": "3"})
    bench.node("b", labels={"disk": "hdd", "gen": "1"})
    assert bench.place(bench.pod(node_selector={"disk": "hdd"})) == "b"
    for term, expected in [
        (_term("gen", "Gt", "2"), "a"),
        (_term("disk", "NotIn", "ssd"), "b"),
        (_term("none", "Exists"), None),
        (_term("disk", "In", "ssd", "nvme"), "a"),
    ]:
        selector = NodeSelector(node_selector_terms=[term])
        required = NodeAffinity(required_during_scheduling_ignored_during_execution=selector)
        result = bench.place(bench.pod(affinity=Affinity(node_affinity=required)))
        if expected:
            assert result == expected
        else:
            assert "2 node(s) didn't match Pod's node affinity/selector" in result


def test_host_ports_clash_on_one_node(bench):
    """A host port once a Node."""
    bench.node("a")
    bench.node("b")
    assert {bench.place(bench.pod(host_port=80)) for _ in range(2)} == {"a", "b"}
    message = bench.place(bench.pod(host_port=80))
    assert "2 node(s) didn't have free ports for the requested pod ports" in message


def test_pods_of_a_group_spread_over_nodes(bench):
    """Thirty Pods of one Service over three Nodes: ten each."""
    for name in "abc":
        bench.node(name)
    labels = {"app": "web"}
    places = Counter(bench.place(bench.pod(labels=labels), group=labels) for _ in range(30))
    assert places == {"a": 10, "b": 10, "c": 10}


def test_least_allocated_prefers_the_emptier_node(bench):
    """Silent containers count, too."""
    bench.node("a")
    bench.node("b")
    bench.put(bench.pod(cpu="2", memory="4Gi"), "a")
    assert bench.place(bench.pod()) == "b"


def test_balanced_allocation_breaks_the_tie(bench):
    """A Pod that eats CPU goes where memory is what is used."""
    bench.node("a", cpu="10", memory="10Gi")
    bench.node("b", cpu="10", memory="10Gi")
    bench.put(bench.pod(cpu="4", memory="1Gi"), "a")
    bench.put(bench.pod(cpu="1", memory="4Gi"), "b")
    assert bench.place(bench.pod(cpu="3", memory="1Mi")) == "b"


def test_soft_taints_and_preferred_terms_pull(bench):
    """PreferNoSchedule repels, a preferred term attracts; neither forbids."""
    bench.node("a", taints=[Taint(key="k", effect="PreferNoSchedule")])
    bench.node("b")
    assert bench.place(bench.pod()) == "b"
    preferred = PreferredSchedulingTerm(weight=50, preference=_term(HOST, "In", "c"))
    bench.node("c")
    bench.put(bench.pod(cpu="100m"), "c")
    affinity = NodeAffinity(preferred_during_scheduling_ignored_during_execution=[preferred])
    assert bench.place(bench.pod(affinity=Affinity(node_affinity=affinity))) == "c"


def test_images_attract(bench):
    """A Node that has a large image is preferred."""
    bench.node("a")
    node = bench.node("b")
    node.status.images = [ContainerImage(names=["web:latest"], size_bytes=900 * 2**20)]
    assert bench.place(bench.pod()) == "b"


def test_a_hard_constraint_forbids_skew(bench):
    """With maxSkew 1 the third Pod of two zones finds only the emptier zone; labels are needed."""
    bench.node("a", labels={ZONE: "z1"})
    bench.node("b", labels={ZONE: "z2"}, cpu="1")
    bench.node("c")
    labels = {"app": "web"}
    constraint = TopologySpreadConstraint(
        max_skew=1,
        topology_key=ZONE,
        when_unsatisfiable="DoNotSchedule",
        label_selector=LabelSelector(match_labels=labels),
    )

    def pod():
        return bench.pod(labels=labels, cpu="600m", topology_spread_constraints=[constraint])

    assert {bench.place(pod()), bench.place(pod())} == {"a", "b"}
    assert bench.place(pod()) == "a"
    text = "node(s) didn't match pod topology spread constraints"
    message = bench.place(pod())
    assert f"1 {text}," in message
    assert f"1 {text} (missing required label)" in message
    assert "1 Insufficient cpu" in message


def test_required_affinity_and_anti_affinity(bench):
    """The first of a kind may go anywhere, the next near it; anti-affinity works both ways."""
    bench.node("a")
    bench.node("b")
    db = {"app": "db"}
    near = Affinity(
        pod_affinity=PodAffinity(required_during_scheduling_ignored_during_execution=[_near(db)])
    )
    first = bench.place(bench.pod(labels=db, affinity=near))
    assert bench.place(bench.pod(affinity=near)) == first
    lonely = Affinity(
        pod_anti_affinity=PodAntiAffinity(
            required_during_scheduling_ignored_during_execution=[_near(db)]
        )
    )
    other = bench.place(bench.pod(affinity=lonely))
    assert {first, other} == {"a", "b"}
    assert bench.place(bench.pod(labels=db)) == first
    strangers = {"app": "nobody"}
    nowhere = Affinity(
        pod_affinity=PodAffinity(
            required_during_scheduling_ignored_during_execution=[_near(strangers)]
        )
    )
    assert "2 node(s) didn't match pod affinity rules" in bench.place(bench.pod(affinity=nowhere))


def test_preferred_pod_affinity_pulls(bench):
    """Towards company, however the Nodes are loaded."""
    bench.node("a")
    bench.node("b")
    bench.put(bench.pod(labels={"app": "db"}, cpu="1", memory="1Gi"), "b")
    term = WeightedPodAffinityTerm(weight=100, pod_affinity_term=_near({"app": "db"}))
    wish = Affinity(
        pod_affinity=PodAffinity(preferred_during_scheduling_ignored_during_execution=[term])
    )
    assert bench.place(bench.pod(affinity=wish)) == "b"


def test_pods_that_leave_give_back_what_they_had(bench):
    """Assume, forget, assume: the sums are what they were."""
    bench.node("n", cpu="1")
    pod = bench.pod(cpu="1", host_port=80)
    assert bench.place(pod) == "n"
    assert "Insufficient cpu" in bench.place(bench.pod(cpu="1"))
    bench.cluster.forget(pod.metadata.uid)
    assert bench.place(bench.pod(cpu="1", host_port=80)) == "n"
    assert not bench.try_pod(bench.pod(cpu="1m")).message.startswith("0/0")


def test_finished_pods_weigh_nothing(bench):
    """What the API server says of an assumed Pod replaces what was assumed."""
    bench.node("n", cpu="1")
    pod = bench.pod(cpu="1")
    bench.place(pod)
    pod.spec.node_name = "n"
    bench.cluster.observe(pod)
    assert "Insufficient cpu" in bench.place(bench.pod(cpu="1"))
    pod.status.phase = "Succeeded"
    bench.cluster.observe(pod)
    assert bench.place(bench.pod(cpu="1")) == "n"


def test_large_clusters_are_not_searched_to_the_end(bench):
    """A hundred possible Nodes are enough, and the next search begins elsewhere."""
    for number in range(400):
        bench.node(f"n{number:03}")
    result = bench.try_pod(bench.pod())
    assert result.feasible == 188
    assert bench.cluster.next_start == 188
