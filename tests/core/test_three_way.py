"""What `apply` sends, from the last manifest to this one."""

from netemu.core.three_way import three_way_patch
from netemu.model.apps_v1 import Deployment
from netemu.model.core_v1 import Service


def test_what_left_the_manifest_is_removed():
    """A label that the new manifest no longer has is set to null."""
    last = {"metadata": {"name": "a", "labels": {"x": "1", "y": "2"}}}
    new = {"metadata": {"name": "a", "labels": {"x": "1"}}}
    assert three_way_patch(Service, last, new) == {
        "metadata": {"name": "a", "labels": {"x": "1", "y": None}}
    }


def test_elements_are_matched_by_their_merge_key():
    """A container that left is deleted, one whose field left loses that field."""

    def manifest(*containers):
        return {"spec": {"template": {"spec": {"containers": list(containers)}}}}

    last = manifest({"name": "a", "image": "x", "tty": True}, {"name": "b", "image": "y"})
    new = manifest({"name": "a", "image": "z"})
    patch = three_way_patch(Deployment, last, new)
    assert patch["spec"]["template"]["spec"]["containers"] == [
        {"name": "a", "image": "z", "tty": None},
        {"name": "b", "$patch": "delete"},
    ]


def test_lists_without_a_key_are_sent_whole():
    """An atomic list replaces what is there."""
    new = {"spec": {"externalIPs": ["1.2.3.4"]}}
    assert three_way_patch(Service, {"spec": {"externalIPs": ["5.6.7.8"]}}, new) == new
