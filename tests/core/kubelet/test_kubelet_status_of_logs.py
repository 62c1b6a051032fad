"""Which run's log is the previous one, and why there is none."""

from __future__ import annotations

import pytest

from netemu.core.kubelet.memory import ContainerMemory, Run
from netemu.core.kubelet.status import previous_run, why_no_log
from netemu.model.core_v1 import (
    ContainerState,
    ContainerStateTerminated,
    ContainerStateWaiting,
    ContainerStatus,
    Pod,
    PodStatus,
)

FIRST = Run(id="r1", attempt=0, started_at=1, running=False)
SECOND = Run(id="r2", attempt=1, started_at=9, running=False)


def _pod(*, last: str = "", waiting: str = "") -> Pod:
    status = ContainerStatus(name="c")
    if last:
        ended = ContainerStateTerminated(container_id=f"netemu://{last}")
        status.last_state = ContainerState(terminated=ended)
    if waiting:
        status.state = ContainerState(waiting=ContainerStateWaiting(reason=waiting))
    return Pod(status=PodStatus(container_statuses=[status]))


@pytest.mark.parametrize(
    ("last", "known", "previous"),
    [
        ("r2", ContainerMemory(name="c", run=SECOND, last=FIRST), SECOND),
        ("r1", ContainerMemory(name="c", run=SECOND, last=FIRST), FIRST),
        ("r1", ContainerMemory(name="c", run=FIRST), FIRST),
        ("", ContainerMemory(name="c", run=FIRST), None),
        ("r0", ContainerMemory(name="c", run=SECOND, last=FIRST), FIRST),
    ],
)
def test_the_previous_run_is_the_one_that_the_status_names(
    last: str, known: ContainerMemory, previous: Run | None
) -> None:
    """While a container waits to be started again, that is the newest of all."""
    assert previous_run(_pod(last=last), known) is previous


@pytest.mark.parametrize(
    ("waiting", "why"),
    [
        ("", "ContainerCreating"),
        ("PodInitializing", "PodInitializing"),
        ("ErrImagePull", "image can't be pulled"),
        ("ImagePullBackOff", "trying and failing to pull image"),
    ],
)
def test_a_log_that_is_not_there_has_a_reason(waiting: str, why: str) -> None:
    """The container's own, in the kubelet's words."""
    assert why_no_log(_pod(waiting=waiting), "c") == why
