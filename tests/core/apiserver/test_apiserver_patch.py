"""Patches: what clients send, applied to plain JSON."""

from copy import deepcopy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netemu.core.apiserver.patch import JSON, MERGE, STRATEGIC, apply_patch, merge
from netemu.errors import ApiError
from netemu.model.apps_v1 import Deployment
from netemu.model.core_v1 import ConfigMap, Node, Pod, Service

scalars = st.none() | st.booleans() | st.integers() | st.text(max_size=3)
documents = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3)
    ),
    max_leaves=8,
)
objects = st.dictionaries(st.text(max_size=2), documents, max_size=4)


# --- RFC 7386 -----------------------------------------------------------------------

# The examples of the RFC's appendix that concern objects.
MERGES = [
    ({"a": "b"}, {"a": "c"}, {"a": "c"}),
    ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
    ({"a": "b"}, {"a": None}, {}),
    ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
    ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
    ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
    ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
    ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
    ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
    ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
]


@pytest.mark.parametrize(("current", "patch", "expected"), MERGES)
def test_merge_patch_does_what_its_rfc_shows(current, patch, expected):
    """The examples of RFC 7386."""
    assert apply_patch(ConfigMap, current, patch, MERGE) == expected


@given(objects, objects)
def test_merge_patch_is_idempotent_and_leaves_its_arguments_alone(current, patch):
    """Applying twice equals applying once."""
    before = deepcopy((current, patch))
    once = merge(current, patch)
    assert merge(once, patch) == once
    assert (current, patch) == before


def test_a_merge_patch_that_is_no_object_is_refused():
    """An object cannot become a list."""
    with pytest.raises(ApiError) as caught:
        apply_patch(ConfigMap, {}, [1], MERGE)
    assert caught.value.code == 400


# --- RFC 6902 -----------------------------------------------------------------------

JSON_PATCHES = [
    ({"a": 1}, [{"op": "add", "path": "/b", "value": 2}], {"a": 1, "b": 2}),
    ({"a": [1, 3]}, [{"op": "add", "path": "/a/1", "value": 2}], {"a": [1, 2, 3]}),
    ({"a": [1]}, [{"op": "add", "path": "/a/-", "value": 2}], {"a": [1, 2]}),
    ({"a": 1, "b": 2}, [{"op": "remove", "path": "/a"}], {"b": 2}),
    ({"a": [1, 2]}, [{"op": "remove", "path": "/a/0"}], {"a": [2]}),
    ({"a": 1}, [{"op": "replace", "path": "/a", "value": None}], {"a": None}),
    ({"a": {"b": 1}}, [{"op": "move", "from": "/a/b", "path": "/c"}], {"a": {}, "c": 1}),
    ({"a": {"b": 1}}, [{"op": "copy", "from": "/a", "path": "/c"}], {"a": {"b": 1}, "c": {"b": 1}}),
    ({"a/b": 1, "m~n": 2}, [{"op": "remove", "path": "/a~1b"}], {"m~n": 2}),
    ({"a/b": 1, "m~n": 2}, [{"op": "test", "path": "/m~0n", "value": 2}], {"a/b": 1, "m~n": 2}),
    ({"a": 1}, [{"op": "test", "path": "/missing", "value": None}], {"a": 1}),
    ({"a": 1}, [{"op": "add", "path": "", "value": {"b": 2}}], {"b": 2}),
]


@pytest.mark.parametrize(("current", "patch", "expected"), JSON_PATCHES)
def test_json_patch_applies_its_operations(current, patch, expected):
    """Each operation of RFC 6902."""
    before = deepcopy(current)
    assert apply_patch(ConfigMap, current, patch, JSON) == expected
    assert current == before


REFUSED = [
    [{"op": "test", "path": "/a", "value": 2}],
    [{"op": "test", "path": "/a", "value": True}],
    [{"op": "remove", "path": "/missing"}],
    [{"op": "replace", "path": "/missing", "value": 1}],
    [{"op": "add", "path": "/missing/b", "value": 1}],
    [{"op": "add", "path": "/list/3", "value": 1}],
    [{"op": "add", "path": "/list/01", "value": 1}],
    [{"op": "add", "path": "a", "value": 1}],
    [{"op": "add", "path": "/a"}],
    [{"op": "move", "from": "/map", "path": "/map/b"}],
    [{"op": "frob", "path": "/a"}],
    ["nonsense"],
]


@pytest.mark.parametrize("patch", REFUSED)
def test_a_json_patch_that_does_not_fit_is_invalid(patch):
    """Kubernetes says one sentence, whatever the operation was."""
    with pytest.raises(ApiError) as caught:
        apply_patch(ConfigMap, {"a": 1, "list": [1], "map": {}}, patch, JSON)
    assert (caught.value.code, caught.value.reason) == (422, "Invalid")
    assert caught.value.message == (
        "the server rejected our request due to an error in our request"
    )


def test_a_json_patch_must_be_a_list():
    """A merge patch sent with the wrong content type is told so."""
    with pytest.raises(ApiError) as caught:
        apply_patch(ConfigMap, {}, {"a": 1}, JSON)
    assert caught.value.code == 400


def test_an_unknown_type_of_patch_is_unsupported():
    """The reply lists what is supported."""
    with pytest.raises(ApiError) as caught:
        apply_patch(ConfigMap, {}, {}, "application/json")
    assert (caught.value.code, caught.value.reason) == (415, "UnsupportedMediaType")
    assert MERGE in caught.value.message


# --- strategic merge ----------------------------------------------------------------


def containers(*items):
    return {"spec": {"containers": list(items)}}


A, B, C = {"name": "a", "image": "1"}, {"name": "b", "image": "1"}, {"name": "c", "image": "1"}

STRATEGIC_PATCHES = {
    "an element is found by its merge key": (
        Pod,
        containers(A, B),
        containers({"name": "b", "image": "2"}),
        containers(A, {"name": "b", "image": "2"}),
    ),
    "new elements go first": (Pod, containers(A), containers(C), containers(C, A)),
    "order is as the author sees it": (
        Pod,
        containers(A, B),
        {
            "spec": {
                "$setElementOrder/containers": [{"name": "b"}, {"name": "c"}, {"name": "a"}],
                "containers": [C],
            }
        },
        containers(B, C, A),
    ),
    "what the author does not know keeps its place": (
        Pod,
        containers(A, B, C),
        {"spec": {"$setElementOrder/containers": [{"name": "c"}, {"name": "b"}]}},
        containers(A, C, B),
    ),
    "an element is deleted": (
        Pod,
        containers(A, B),
        containers({"name": "a", "$patch": "delete"}),
        containers(B),
    ),
    "a list is replaced": (
        Pod,
        containers(A, B),
        containers(C, {"$patch": "replace"}),
        containers(C),
    ),
    "null deletes": (
        Pod,
        {"metadata": {"labels": {"a": "1", "b": "2"}}},
        {"metadata": {"labels": {"a": None, "c": None}}},
        {"metadata": {"labels": {"b": "2"}}},
    ),
    "a map is replaced": (
        Pod,
        {"metadata": {"labels": {"a": "1"}}},
        {"metadata": {"labels": {"$patch": "replace", "b": "2"}}},
        {"metadata": {"labels": {"b": "2"}}},
    ),
    "a map is emptied": (
        Pod,
        {"metadata": {"labels": {"a": "1"}}},
        {"metadata": {"labels": {"$patch": "delete"}}},
        {"metadata": {"labels": {}}},
    ),
    "a list without merge key is replaced": (
        Pod,
        {"spec": {"tolerations": [{"key": "a"}]}},
        {"spec": {"tolerations": [{"key": "b"}]}},
        {"spec": {"tolerations": [{"key": "b"}]}},
    ),
    "finalizers are a set": (
        ConfigMap,
        {"metadata": {"finalizers": ["x/a", "x/b"]}},
        {"metadata": {"finalizers": ["x/c", "x/a"]}},
        {"metadata": {"finalizers": ["x/c", "x/a", "x/b"]}},
    ),
    "values are taken out of a set": (
        ConfigMap,
        {"metadata": {"finalizers": ["x/a", "x/b"]}},
        {"metadata": {"$deleteFromPrimitiveList/finalizers": ["x/a"]}},
        {"metadata": {"finalizers": ["x/b"]}},
    ),
    "of a union only what is named stays": (
        Deployment,
        {"spec": {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}}},
        {"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}},
        {"spec": {"strategy": {"type": "Recreate"}}},
    ),
    "a volume changes its source": (
        Pod,
        {"spec": {"volumes": [{"name": "v", "emptyDir": {}}]}},
        {
            "spec": {
                "volumes": [
                    {"name": "v", "hostPath": {"path": "/x"}, "$retainKeys": ["name", "hostPath"]}
                ]
            }
        },
        {"spec": {"volumes": [{"name": "v", "hostPath": {"path": "/x"}}]}},
    ),
    "of two ports with one number the first is meant": (
        Service,
        {"spec": {"ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]}},
        {"spec": {"ports": [{"port": 53, "name": "dns"}]}},
        {
            "spec": {
                "ports": [
                    {"port": 53, "protocol": "UDP", "name": "dns"},
                    {"port": 53, "protocol": "TCP"},
                ]
            }
        },
    ),
    "conditions merge by type": (
        Node,
        {"status": {"conditions": [{"type": "Ready", "status": "False", "reason": "x"}]}},
        {"status": {"conditions": [{"type": "Ready", "status": "True"}]}},
        {"status": {"conditions": [{"type": "Ready", "status": "True", "reason": "x"}]}},
    ),
    "merging deep inside a template": (
        Deployment,
        {"spec": {"template": containers({**A, "env": [{"name": "X", "value": "1"}]})}},
        {"spec": {"template": containers({"name": "a", "env": [{"name": "Y", "value": "2"}]})}},
        {
            "spec": {
                "template": containers(
                    {**A, "env": [{"name": "Y", "value": "2"}, {"name": "X", "value": "1"}]}
                )
            }
        },
    ),
    "directives are never stored": (
        Pod,
        {},
        {
            "spec": {
                "$setElementOrder/containers": [{"name": "a"}],
                "containers": [
                    {**A, "$setElementOrder/env": [{"name": "X"}], "env": [{"name": "X"}]}
                ],
            }
        },
        {"spec": {"containers": [{**A, "env": [{"name": "X"}]}]}},
    ),
    "deleting what is not there changes nothing": (
        Pod,
        containers(A),
        containers({"name": "z", "$patch": "delete"}),
        containers(A),
    ),
}


@pytest.mark.parametrize(
    ("kind", "current", "patch", "expected"),
    STRATEGIC_PATCHES.values(),
    ids=STRATEGIC_PATCHES.keys(),
)
def test_strategic_merge_patch(kind, current, patch, expected):
    """Lists that are maps in disguise are merged as such."""
    before = deepcopy((current, patch))
    assert apply_patch(kind, current, patch, STRATEGIC) == expected
    assert (current, patch) == before


def test_an_element_without_its_key_is_named():
    """The text is Go's, since clients match on it."""
    with pytest.raises(ApiError) as caught:
        apply_patch(Pod, containers(A), containers({"image": "x"}), STRATEGIC)
    assert caught.value.code == 500
    assert caught.value.message == "map: map[image:x] does not contain declared merge key: name"


def test_an_unknown_directive_is_refused():
    """Nothing that looks like a directive is taken for data."""
    with pytest.raises(ApiError, match="unknown patch type: frob"):
        apply_patch(Pod, {"spec": {}}, {"spec": {"$patch": "frob"}}, STRATEGIC)


def test_retain_keys_must_name_what_is_set():
    """A patch that sets what it does not retain contradicts itself."""
    with pytest.raises(ApiError, match="retainKeys"):
        apply_patch(
            Deployment,
            {"spec": {"strategy": {}}},
            {"spec": {"strategy": {"$retainKeys": ["type"], "rollingUpdate": {}}}},
            STRATEGIC,
        )


names = st.lists(st.sampled_from("abcdef"), unique=True)


@given(names, names)
def test_strategic_merge_of_lists_is_idempotent_and_loses_nobody(current, patch):
    """Whatever the order: the union, each once, the patch's elements in the patch's order."""
    merged = apply_patch(
        Pod,
        containers(*({"name": n} for n in current)),
        containers(*({"name": n} for n in patch)),
        STRATEGIC,
    )
    found = [c["name"] for c in merged["spec"]["containers"]]
    assert sorted(found) == sorted({*current, *patch})
    assert [n for n in found if n in patch] == patch
    assert [n for n in found if n not in patch] == [n for n in current if n not in patch]
    again = apply_patch(Pod, merged, containers(*({"name": n} for n in patch)), STRATEGIC)
    assert again == merged


@pytest.mark.parametrize(
    "body",
    [
        {"metadata": {"finalizers": [["a"]]}},
        {"metadata": {"ownerReferences": [{"uid": {"a": 1}}]}},
        {"spec": {"$setElementOrder/containers": [{"name": ["a"]}], "containers": []}},
        {"metadata": {"$setElementOrder/finalizers": [{}]}},
    ],
)
def test_what_tells_elements_apart_is_a_scalar(body):
    """A list or a map where a key is due is refused, not stumbled over."""
    with pytest.raises(ApiError, match="must be a scalar"):
        apply_patch(Pod, {"metadata": {"finalizers": ["x"]}}, body, STRATEGIC)


def test_directive_that_says_nothing_changes_nothing():
    """Null means absent, for a directive as for a field."""
    body = {"metadata": {"$deleteFromPrimitiveList/finalizers": None}}
    current = {"metadata": {"finalizers": ["x"]}}
    assert apply_patch(Pod, current, body, STRATEGIC) == current
