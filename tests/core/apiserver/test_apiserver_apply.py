"""Server-side apply: who wants what."""

from copy import deepcopy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netemu.core.apiserver.apply import apply, default_manager, record_update
from netemu.core.apiserver.ownership import from_fields_v1, paths_of, shown, to_fields_v1
from netemu.errors import ApiError
from netemu.model.apps_v1 import Deployment
from netemu.model.codec import from_dict, to_dict
from netemu.model.core_v1 import ConfigMap, Pod, Service
from netemu.model.schema import Time

NOW, LATER = Time("2026-01-01T00:00:00Z"), Time("2026-01-01T01:00:00Z")


def by(manager, live, wanted, *, kind=ConfigMap, force=False, now=NOW, **more):
    return apply(kind, live, wanted, manager=manager, force=force, now=now, **more)


def config(**data):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": data}


def entries(obj):
    return {e["manager"]: e for e in obj["metadata"]["managedFields"]}


def test_applying_to_nothing_creates_and_records():
    """Names belong to nobody, data to who wanted them."""
    made = by("me", None, config(a="1"))
    assert made["data"] == {"a": "1"}
    assert made["metadata"]["managedFields"] == [
        {
            "manager": "me",
            "operation": "Apply",
            "apiVersion": "v1",
            "time": NOW,
            "fieldsType": "FieldsV1",
            "fieldsV1": {"f:data": {"f:a": {}}},
        }
    ]
    assert to_dict(from_dict(deepcopy(made), ConfigMap)) == made


def test_what_is_wanted_no_more_is_removed():
    """Unless someone else wants it, too."""
    made = by("me", None, config(a="1", b="1"))
    made = by("you", made, config(b="1"))
    left = by("me", made, config())
    assert left["data"] == {"b": "1"}
    assert entries(left)["you"]["fieldsV1"] == {"f:data": {"f:b": {}}}


def test_the_same_again_changes_nothing():
    """Not even the time."""
    made = by("me", None, config(a="1"))
    assert by("me", made, config(a="1"), now=LATER) == made


def test_another_value_is_a_conflict():
    """It names the field and whose it is."""
    made = by("you", None, config(a="1", b="1"))
    with pytest.raises(ApiError) as caught:
        by("me", made, config(a="2"))
    error = caught.value
    assert error.message == 'Apply failed with 1 conflict: conflict with "you" using v1: .data.a'
    assert (error.code, error.reason) == (409, "Conflict")
    assert [(c.reason, c.message, c.field) for c in error.causes] == [
        ("FieldManagerConflict", 'conflict with "you" using v1', ".data.a")
    ]
    with pytest.raises(ApiError) as caught:
        by("me", made, config(a="2", b="2"))
    assert caught.value.message == (
        'Apply failed with 2 conflicts: conflicts with "you" using v1:\n- .data.a\n- .data.b'
    )


def test_force_takes_what_it_wants():
    """And the other no longer owns it."""
    made = by("you", None, config(a="1", b="1"))
    forced = by("me", made, config(a="2"), force=True)
    assert forced["data"] == {"a": "2", "b": "1"}
    assert entries(forced)["you"]["fieldsV1"] == {"f:data": {"f:b": {}}}


def test_what_was_there_before_the_first_apply_has_an_owner():
    """So that an apply does not overwrite it unseen."""
    live = {"metadata": {"name": "c"}, "data": {"a": "1"}}
    with pytest.raises(ApiError, match=r'conflict with "before-first-apply" using v1: \.data\.a'):
        by("me", live, config(a="2"))
    assert by("me", live, config(b="1"))["data"] == {"a": "1", "b": "1"}


def test_later_writes_by_other_means_are_recorded():
    """What an edit changed is the editor's; what it removed is nobody's."""
    made = by("me", None, config(a="1", b="1", c="1"))
    edited = made | {"data": {"a": "2", "b": "1"}}
    record = record_update(ConfigMap, made, edited, manager="kubectl-edit", now=LATER)
    assert [(e["manager"], e["operation"], e["fieldsV1"]) for e in record] == [
        ("me", "Apply", {"f:data": {"f:b": {}}}),
        ("kubectl-edit", "Update", {"f:data": {"f:a": {}}}),
    ]
    assert record_update(ConfigMap, config(a="1"), config(a="2"), manager="x", now=NOW) == []


def test_lists_with_keys_are_owned_element_by_element():
    """A sidecar that another manager added survives, and so do its fields."""
    mine = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "web", "image": "1"}]}}
    yours = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "proxy", "image": "9"}]}}
    both = by("you", by("me", None, mine, kind=Pod), yours, kind=Pod)
    assert [c["name"] for c in both["spec"]["containers"]] == ["web", "proxy"]
    assert entries(both)["me"]["fieldsV1"] == {
        "f:spec": {"f:containers": {'k:{"name":"web"}': {".": {}, "f:image": {}, "f:name": {}}}}
    }
    left = by("me", both, {"metadata": {"name": "p"}}, kind=Pod)
    assert [c["name"] for c in left["spec"]["containers"]] == ["proxy"]


def test_one_port_number_over_two_protocols_is_two_ports():
    """The protocol is part of the key, and TCP when it is left out."""
    wanted = {
        "metadata": {"name": "dns"},
        "spec": {
            "ports": [{"name": "t", "port": 53}, {"name": "u", "port": 53, "protocol": "UDP"}]
        },
    }
    made = by("me", None, wanted, kind=Service)
    live = made | {
        "spec": {
            "ports": [{**p, "protocol": p.get("protocol", "TCP")} for p in made["spec"]["ports"]]
        }
    }
    assert len(by("me", live, wanted, kind=Service)["spec"]["ports"]) == 2


def test_a_selector_is_one_field():
    """Half a selector would select something else."""
    wanted = {"metadata": {"name": "d"}, "spec": {"selector": {"matchLabels": {"a": "b"}}}}
    made = by("me", None, wanted, kind=Deployment)
    assert entries(made)["me"]["fieldsV1"] == {"f:spec": {"f:selector": {}}}


def test_finalizers_are_owned_one_by_one():
    """They are a set."""
    made = by("me", None, {"metadata": {"name": "c", "finalizers": ["x/a"]}})
    made = by("you", made, {"metadata": {"name": "c", "finalizers": ["x/b"]}})
    assert made["metadata"]["finalizers"] == ["x/a", "x/b"]
    assert by("me", made, {"metadata": {"name": "c"}})["metadata"]["finalizers"] == ["x/b"]


def test_each_url_writes_its_half():
    """A status in the main resource's body is nobody's."""
    wanted = {"metadata": {"name": "p"}, "spec": {"nodeName": "n"}, "status": {"phase": "Running"}}
    assert "status" not in by("me", None, wanted, kind=Pod)
    assert by("me", {}, wanted, kind=Pod, subresource="status")["status"] == {"phase": "Running"}


def test_requests_that_are_wrong():
    """Without a manager, or with someone's record in hand."""
    with pytest.raises(ApiError, match="fieldManager: Required value") as caught:
        by("", None, config())
    assert caught.value.code == 422
    with pytest.raises(ApiError, match=r"metadata\.managedFields must be nil") as caught:
        by("me", None, {"metadata": {"name": "c", "managedFields": [{"manager": "x"}]}})
    assert caught.value.code == 400
    assert default_manager("kubectl/v1.32 (linux)") == "kubectl"
    assert default_manager("") == "unknown"


def test_paths_are_shown_as_conflicts_name_them():
    """Keys in brackets."""
    path = ("f:spec", "f:containers", 'k:{"name":"web"}', "f:image")
    assert shown(path) == '.spec.containers[name="web"].image'
    assert shown(("f:metadata", "f:finalizers", 'v:"x/y"')) == '.metadata.finalizers[="x/y"]'


names = st.dictionaries(st.sampled_from("abcd"), st.sampled_from("12"), max_size=4)


@given(names, names)
def test_what_is_applied_is_there_and_nothing_else_of_mine(first, second):
    """Whatever was wanted before."""
    made = by("me", None, config(**first))
    assert by("me", made, config(**second)).get("data", {}) == second


@given(st.lists(st.sampled_from("abc"), unique=True), names)
def test_paths_survive_the_nested_form(containers, labels):
    """managedFields can be read back."""
    pod = {
        "metadata": {"labels": labels},
        "spec": {"containers": [{"name": n, "image": n} for n in containers]},
    }
    paths = {path for path, _ in paths_of(Pod, pod)}
    assert from_fields_v1(to_fields_v1(paths)) == paths


def test_what_kubectl_noted_is_the_client_side_applys():
    """Its old self is told from the defaults, which nobody wanted."""
    note = '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"c"},"data":{"a":"1"}}'
    annotations = {"kubectl.kubernetes.io/last-applied-configuration": note}
    live = {"metadata": {"name": "c", "annotations": annotations}, "data": {"a": "1", "b": "1"}}
    with pytest.raises(ApiError, match='conflict with "kubectl-client-side-apply" using v1'):
        by("kubectl", live, config(a="2"))
    made = by("kubectl", live, config(a="1"))
    assert list(entries(made)) == ["kubectl", "before-first-apply", "kubectl-client-side-apply"]
    assert entries(made)["before-first-apply"]["fieldsV1"] == {"f:data": {"f:b": {}}}
    for nonsense in ("[]", "{"):
        live["metadata"]["annotations"] = dict.fromkeys(annotations, nonsense)
        assert "kubectl-client-side-apply" not in entries(by("me", live, config()))
