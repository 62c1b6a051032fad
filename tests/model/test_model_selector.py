"""Label and field selectors, as clients write them."""

import pytest

from netemu.errors import ApiError
from netemu.model import selector
from netemu.model.core_v1 import Event, Node, Pod
from netemu.model.kinds import by_type
from netemu.model.meta_v1 import LabelSelector, LabelSelectorRequirement
from netemu.model.selector import parse_field_selector, parse_label_selector

LABELS = {"app": "web", "tier": "front", "weight": "7", "empty": ""}


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ("", True),
        ("app", True),
        ("!app", False),
        ("!nope", True),
        ("app=web", True),
        ("app==web, tier = front", True),
        ("app=db", False),
        ("app!=web", False),
        ("nope!=x", True),
        ("app in (web, db)", True),
        ("app in (db)", False),
        ("nope in (x)", False),
        ("app notin (db),tier notin (back)", True),
        ("nope notin (x)", True),
        ("empty=", True),
        ("app=", False),
        ("weight>5", True),
        ("weight<5", False),
        ("app>5", False),
        ("in in (in)", False),
        ("!service.kubernetes.io/headless,!service.kubernetes.io/service-proxy-name", True),
    ],
)
def test_label_selectors(text, matches):
    """Each operator, also on labels that are not there."""
    parsed = parse_label_selector(text)
    assert parsed.matches(LABELS) is matches
    assert parse_label_selector(str(parsed)) == parsed


@pytest.mark.parametrize(
    "text", ["=a", "a in", "a in (b", "a b", "a,,b", "a>x", "a)", "-a", "a=b=c"]
)
def test_label_selectors_that_mean_nothing(text):
    """What cannot be parsed is a bad request in Kubernetes' words."""
    with pytest.raises(ApiError, match="unable to parse requirement: ") as caught:
        parse_label_selector(text)
    assert caught.value.code == 400


def test_label_selectors_of_objects():
    """Absent means nothing, empty means everything, else all of it."""
    wanted = LabelSelector(
        match_labels={"app": "web"},
        match_expressions=[
            LabelSelectorRequirement(key="tier", operator="In", values=["front", "back"]),
            LabelSelectorRequirement(key="nope", operator="DoesNotExist"),
        ],
    )
    parsed = selector.from_label_selector(wanted)
    assert parsed.matches(LABELS)
    assert not parsed.matches({"app": "web"})
    assert str(parsed) == "app=web,tier in (back,front),!nope"
    assert not selector.from_label_selector(None).matches(LABELS)
    assert selector.from_label_selector(LabelSelector()).everything
    with pytest.raises(ValueError, match="'Near' is not a valid"):
        selector.from_label_selector(
            LabelSelector(match_expressions=[LabelSelectorRequirement(key="a", operator="Near")])
        )


def test_service_selectors():
    """A Service without a selector chooses no Pod."""
    assert selector.from_map({"app": "web"}).matches(LABELS)
    assert not selector.from_map({}).matches(LABELS)


def test_field_selectors():
    """What `kubectl describe node` asks for, and what an index can answer."""
    pod = Pod()
    pod.spec.node_name = "worker-1"
    pod.status.phase = "Running"
    text = "spec.nodeName=worker-1,status.phase!=Failed,status.phase!=Succeeded"
    parsed = parse_field_selector(text)
    parsed.check(by_type(Pod).selectable)
    assert parsed.matches(pod)
    assert parsed.exactly("spec.nodeName") == "worker-1"
    assert parsed.exactly("status.phase") is None
    assert str(parsed) == text
    pod.status.phase = "Failed"
    assert not parsed.matches(pod)


def test_fields_as_text():
    """Booleans are true or false, what is unset is empty, and aliases are known."""
    event = Event()
    event.source.component = "kubelet"
    event.involved_object.name = "web"
    assert selector.field_text(event, "source") == "kubelet"
    assert selector.field_text(event, "involvedObject.name") == "web"
    assert selector.field_text(Node(), "spec.unschedulable") == "false"
    assert selector.field_text(Pod(), "spec.no.such") == ""
    assert parse_field_selector("").everything


def test_values_may_be_escaped():
    """Backslashes let commas and equals signs into values."""
    (term,) = parse_field_selector(r"metadata.name=a\,b\=c").terms
    assert term.value == "a,b=c"


@pytest.mark.parametrize("text", ["a", "=b", "a<b"])
def test_field_selectors_that_mean_nothing(text):
    """What has no operator is refused."""
    with pytest.raises(ApiError, match="invalid selector"):
        parse_field_selector(text)


def test_fields_that_cannot_be_selected_by():
    """Only some fields are selectable."""
    with pytest.raises(ApiError, match=r"field label not supported: spec\.foo"):
        parse_field_selector("spec.foo=1").check(by_type(Pod).selectable)
