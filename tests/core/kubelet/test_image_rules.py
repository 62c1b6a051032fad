"""What a cluster's file says of images."""

from __future__ import annotations

import pytest

from netemu.core.kubelet.image_rules import NoSuchImageError, rule_for
from netemu.core.kubelet.images import DNS_IMAGE, ImageSource, Resolution, resolve
from netemu.model.core_v1 import Container, ContainerPort
from netemu.model.settings import ImageSettings


@pytest.mark.parametrize(
    ("pattern", "image", "matches"),
    [
        ("mysql", "mysql:8", True),
        ("mysql", "docker.io/library/mysql@sha256:abc", True),
        ("mysql", "mysql-router:8", False),
        ("mysql*", "registry:5000/x/mysql-router:8", True),
        ("mysql:8", "mysql:8", True),
        ("mysql:8", "mysql:9", False),
        ("shop/*", "shop/api:1", True),
        ("shop/*", "registry/shop/api", False),
        ("registry:5000/*", "registry:5000/a/b:1", True),
        ("*", "anything/at:all", True),
    ],
)
def test_patterns(pattern: str, image: str, matches: bool) -> None:
    """With a slash the whole name counts, with a colon the tag, too."""
    rule = ImageSettings(pattern=pattern)
    assert (rule_for(image, [rule]) is rule) is matches


def _resolve(image: str, *rules: ImageSettings) -> Resolution:
    return resolve(
        Container(name="c", image=image, ports=[ContainerPort(container_port=80)]),
        command=["nginx"],
        args=[],
        pod_facts=["--pod", "a"],
        has_program=lambda _name: True,
        rules=rules,
    )


def test_the_first_rule_that_matches_decides() -> None:
    """Before all that netemu does by itself, the container's command included."""
    ports = ImageSettings(pattern="web", stand_in=("9000/UDP",))
    tool = ImageSettings(pattern="*", command=("sleep", "9"))
    standing = _resolve("web:1", ports, tool)
    assert standing.source is ImageSource.STAND_IN
    assert standing.args[:4] == ("--port", "80/tcp", "--port", "9000/udp")
    assert _resolve("agnhost:2", ports, tool).argv == ("sleep", "9")
    netexec = _resolve("x", ImageSettings(pattern="x", agnhost=("netexec",)))
    assert (netexec.source, netexec.args) == (ImageSource.BUILT_IN, ("netexec",))


def test_an_image_that_is_not_there_is_waited_for() -> None:
    """The container's reason is that of a registry that has none; DNS is never touched."""
    none = ImageSettings(pattern="*")
    with pytest.raises(NoSuchImageError, match='Back-off pulling image "x:1"') as refusal:
        _resolve("x:1", none)
    assert refusal.value.reason == "ImagePullBackOff"
    assert _resolve(DNS_IMAGE, none).source is ImageSource.BUILT_IN
