"""What a cluster's file says of images."""

from __future__ import annotations

import pytest

from netemu.core.kubelet.image_rules import (
    NeverPulledError,
    NoSuchImageError,
    next_pull_delay_s,
    rule_for,
)
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


def _resolve(
    image: str, *rules: ImageSettings, strict: bool = False, policy: str = ""
) -> Resolution:
    return resolve(
        Container(
            name="c",
            image=image,
            image_pull_policy=policy,
            ports=[ContainerPort(container_port=80)],
        ),
        command=["nginx"],
        args=[],
        pod_facts=["--pod", "a"],
        has_program=lambda _name: True,
        rules=rules,
        strict=strict,
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
    with pytest.raises(NoSuchImageError, match="the cluster file says that there is none") as no:
        _resolve("x:1", none)
    assert (no.value.reason, no.value.image) == ("ErrImagePull", "x:1")
    assert _resolve(DNS_IMAGE, none).source is ImageSource.BUILT_IN


def test_strict_images_have_no_stand_ins() -> None:
    """What is built in, ruled or a set of tools is there; the rest is not, whatever its command."""
    shop = ImageSettings(pattern="shop", stand_in=())
    for image in ("agnhost:2", "pause", "busybox:1", DNS_IMAGE, "shop:1"):
        assert _resolve(image, shop, strict=True).image.startswith(image)
    with pytest.raises(NoSuchImageError, match="there are agnhost, pause, busybox") as no:
        _resolve("nginx:1", shop, strict=True)
    assert no.value.image == "nginx:1"


def test_who_never_pulls_is_told_so() -> None:
    """Images that are there are there for `imagePullPolicy: Never`, too."""
    assert _resolve("nginx", policy="Never").source is ImageSource.HOST_PROGRAM
    with pytest.raises(NeverPulledError) as never:
        _resolve("nginx", strict=True, policy="Never")
    assert never.value.reason == "ErrImageNeverPull"
    wanted = 'Container image "nginx:latest" is not present with pull policy of Never'
    assert str(never.value) == wanted


def test_failed_pulls_come_ever_more_seldom() -> None:
    """Ten seconds, twice that, and so on up to five minutes."""
    delays = [0.0]
    for _ in range(7):
        delays.append(next_pull_delay_s(delays[-1]))
    assert delays[1:] == [10, 20, 40, 80, 160, 300, 300]
