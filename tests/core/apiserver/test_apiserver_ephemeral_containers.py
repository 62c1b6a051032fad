"""Containers added to a pod that runs: what is refused, in the field's own words."""

from __future__ import annotations

import pytest

from netemu.core.apiserver import validation
from netemu.model.codec import from_dict
from netemu.model.core_v1 import Pod
from netemu.model.kinds import by_type

_BEFORE = [{"name": "first", "image": "busybox"}]


def _pod(added: list[dict]) -> Pod:
    spec = {
        "containers": [{"name": "web", "image": "nginx"}],
        "volumes": [{"name": "v", "emptyDir": {}}],
        "ephemeralContainers": [
            {"imagePullPolicy": "Always", "terminationMessagePolicy": "File", **container}
            for container in added
        ],
    }
    return from_dict({"metadata": {"name": "p", "namespace": "default"}, "spec": spec}, Pod)


def _errors(added: list[dict]) -> list[str]:
    old, new = _pod(_BEFORE), _pod(added)
    found = validation.validate_update(new, old, by_type(Pod))
    return [str(error) for error in found if "phemeral" in str(error)]


def test_more_may_come():
    """With a target, a terminal and a volume."""
    more = {"name": "more", "image": "busybox", "targetContainerName": "web", "tty": True}
    more["volumeMounts"] = [{"name": "v", "mountPath": "/v"}]
    assert _errors([*_BEFORE, more]) == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("ports", [{"containerPort": 80, "protocol": "TCP"}]),
        ("resources", {"limits": {"cpu": "1"}}),
        ("lifecycle", {"preStop": {"exec": {"command": ["true"]}}}),
        ("livenessProbe", {"exec": {"command": ["true"]}}),
        ("readinessProbe", {"exec": {"command": ["true"]}}),
        ("startupProbe", {"exec": {"command": ["true"]}}),
        ("restartPolicy", "Always"),
    ],
)
def test_what_only_looks_has_none_of_these(field, value):
    """Nothing that makes it a part of the pod's work."""
    errors = _errors([*_BEFORE, {"name": "more", "image": "busybox", field: value}])
    assert any(
        f"spec.ephemeralContainers[1].{field}" in error
        and "cannot be set for an Ephemeral Container" in error
        for error in errors
    )


@pytest.mark.parametrize(
    ("added", "said"),
    [
        ([], 'existing ephemeral containers "first" may not be removed'),
        (
            [{"name": "first", "image": "nginx"}],
            'existing ephemeral containers "first" may not be changed',
        ),
        ([*_BEFORE, *_BEFORE], "spec.ephemeralContainers[1].name: Duplicate"),
        ([*_BEFORE, {"name": "web", "image": "x"}], "spec.ephemeralContainers[1].name: Duplicate"),
        (
            [*_BEFORE, {"name": "more", "image": "x", "targetContainerName": "no"}],
            "spec.ephemeralContainers[1].targetContainerName: Not found",
        ),
        (
            [
                *_BEFORE,
                {
                    "name": "more",
                    "image": "x",
                    "volumeMounts": [{"name": "v", "mountPath": "/v", "subPath": "s"}],
                },
            ],
            "spec.ephemeralContainers[1].volumeMounts[0].subPath: Forbidden",
        ),
    ],
)
def test_those_that_are_there_stay(added, said):
    """None is changed or taken away, and each has a name and a target that make sense."""
    assert any(said in error for error in _errors(added))
