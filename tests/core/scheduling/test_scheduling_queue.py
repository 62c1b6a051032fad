"""The scheduling queue: order, back-off, parking and waking."""

from netemu.core.scheduling.contract import Wake
from netemu.core.scheduling.profile import FILTER_ORDER, default_profile
from netemu.core.scheduling.queue import SchedulingQueue
from netemu.model.keys import ObjectKey

A, B, C = (ObjectKey("default", name) for name in "abc")
RETRY_ON = {"Fit": frozenset({Wake.POD_REMOVED}), "Taints": frozenset({Wake.NODE_TAINTS})}


def test_priority_first_then_age():
    """Higher priority overtakes, equals wait their turn."""
    queue = SchedulingQueue(RETRY_ON)
    queue.add(A, 0)
    queue.add(B, 0)
    queue.add(C, 10)
    assert [queue.pop(0.0) for _ in range(4)] == [C, A, B, None]


def test_a_parked_pod_wakes_only_for_its_filters():
    """And only after its back-off."""
    queue = SchedulingQueue(RETRY_ON)
    queue.add(A, 0)
    assert queue.pop(0.0) == A
    queue.park(A, 0, frozenset({"Fit"}), 0.0)
    queue.wake(Wake.NODE_TAINTS, 5.0)
    assert queue.pop(5.0) is None
    queue.wake(Wake.POD_REMOVED, 0.2)
    assert queue.pop(0.2) is None
    assert queue.next_in_s(0.2) == 0.8
    assert queue.pop(1.0) == A


def test_back_off_doubles_up_to_ten_seconds():
    """1, 2, 4, 8, 10, 10 seconds."""
    queue = SchedulingQueue(RETRY_ON)
    queue.add(A, 0)
    waits, now = [], 0.0
    for _ in range(6):
        assert queue.pop(now) == A
        queue.retry(A, 0, now)
        waits.append(queue.next_in_s(now))
        now += waits[-1]
    assert waits == [1.0, 2.0, 4.0, 8.0, 10.0, 10.0]


def test_nobody_is_parked_for_ever():
    """After five minutes it is tried again."""
    queue = SchedulingQueue(RETRY_ON)
    queue.add(A, 0)
    queue.pop(0.0)
    queue.park(A, 0, frozenset({"Fit"}), 0.0)
    assert queue.next_in_s(10.0) == 290.0
    assert queue.pop(299.0) is None
    assert queue.pop(300.0) == A


def test_without_a_filter_to_blame_any_event_helps():
    """A Pod that met no Nodes at all."""
    queue = SchedulingQueue(RETRY_ON)
    queue.add(A, 0)
    queue.pop(0.0)
    queue.park(A, 0, frozenset(), 0.0)
    queue.wake(Wake.NODE_ADDED, 2.0)
    assert queue.pop(2.0) == A


def test_removed_pods_are_not_tried():
    """Wherever they were, and a second add leaves no double."""
    queue = SchedulingQueue(RETRY_ON)
    queue.add(A, 0)
    queue.add(A, 5)
    queue.add(B, 0)
    queue.remove(B)
    assert [queue.pop(0.0), queue.pop(0.0)] == [A, None]
    assert len(queue) == 0


def test_the_profile_states_the_filters_order():
    """Every filter there is, the known ones in Kubernetes' order."""
    names = [one.name for one in default_profile().filters]
    assert tuple(names) == FILTER_ORDER
    assert {one.name: one.weight for one in default_profile().scores} == {
        "TaintToleration": 3,
        "NodeAffinity": 2,
        "PodTopologySpread": 2,
        "InterPodAffinity": 2,
        "NodeResourcesFit": 1,
        "NodeResourcesBalancedAllocation": 1,
        "ImageLocality": 1,
    }
