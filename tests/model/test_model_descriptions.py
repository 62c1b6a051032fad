"""What fields mean: the tables fit the types, and the types that people use are told."""

import pytest

from netemu.core.apiserver.openapi.schemas import reachable
from netemu.model import descriptions, kinds
from netemu.model.apps_v1 import DeploymentSpec
from netemu.model.core_v1 import (
    Container,
    EnvVar,
    EphemeralContainer,
    PodSpec,
    PodStatus,
    Probe,
    ServicePort,
    ServiceSpec,
    VolumeMount,
)
from netemu.model.descriptions import entries, tables
from netemu.model.discovery_v1 import Endpoint
from netemu.model.meta_v1 import ObjectMeta
from netemu.model.wire import fields_of

TYPES = reachable(kinds.RESOURCES + kinds.REVIEWS)
LINES = [(*key, text) for table in tables() for key, text in entries(table)]


def test_the_tables_name_what_there_is():
    """A type or a field that does not exist is told nobody."""
    known = {(kind.__name__, "") for kind in TYPES} | {("*", ""), ("ProbeHandler", "")}
    known |= {("VolumeSource", "")}
    for kind in TYPES:
        for base in kind.__mro__:
            known |= {(base.__name__, field.wire_name) for field in fields_of(kind)}
    known |= {("*", name) for name in ("metadata", "spec", "status")}
    assert [(kind, field) for kind, field, _ in LINES if (kind, field) not in known] == []


def test_nothing_is_told_twice():
    """The later line would hide the earlier one."""
    names = [(kind, field) for kind, field, _ in LINES]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(("kind", "field", "text"), LINES)
def test_a_description_is_a_sentence(kind: str, field: str, text: str):
    """It begins with a capital and ends with a full stop."""
    assert text[0].isupper() or text[0] == "`"
    assert text.endswith(".")


@pytest.mark.parametrize("kind", [resource.type for resource in kinds.RESOURCES])
def test_every_kind_is_told(kind: type):
    """And so are its parts."""
    assert descriptions.of_type(kind)
    assert [
        f.wire_name for f in fields_of(kind) if not descriptions.of_field(kind, f.wire_name)
    ] == []


USED = {
    ObjectMeta: (),
    Container: ("restartPolicyRules",),
    DeploymentSpec: (),
    Endpoint: (),
    EnvVar: (),
    PodSpec: ("schedulingGroup", "evictionResponders"),
    Probe: (),
    ServicePort: (),
    ServiceSpec: (),
    VolumeMount: ("recursiveReadOnly", "bindMountOptions"),
}


@pytest.mark.parametrize("kind", USED)
def test_the_types_that_people_write_are_told_in_full(kind: type):
    """But for what is newer than most clusters."""
    silent = {f.wire_name for f in fields_of(kind) if not descriptions.of_field(kind, f.wire_name)}
    assert silent == set(USED[kind])


def test_embedded_fields_keep_their_meaning():
    """An ephemeral container's image is what a container's is."""
    said = descriptions.of_field(EphemeralContainer, "image")
    assert said == descriptions.of_field(Container, "image") != ""
    assert descriptions.of_field(PodStatus, "nothing") == ""
    assert descriptions.of_type(type("Nothing", (), {})) == ""


def test_the_form_of_a_table_is_checked():
    """A line without a sentence is a slip."""
    assert list(entries("A: B\n        goes on.\n    c: D.")) == [
        (("A", ""), "B goes on."),
        (("A", "c"), "D."),
    ]
    with pytest.raises(ValueError, match="no name and sentence"):
        list(entries("A: B.\n    c"))
