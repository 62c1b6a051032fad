"""What can be an image's name, and what the kubelet says of one that cannot."""

from __future__ import annotations

import pytest

from netemu.core.kubelet.image_rules import InvalidImageNameError
from netemu.core.kubelet.images import resolve
from netemu.model.core_v1 import Container


def _resolve(image: str) -> str:
    container = Container(name="c", image=image)
    return resolve(container, command=[], args=[], pod_facts=[], has_program=lambda _: False).image


@pytest.mark.parametrize(
    ("image", "why"),
    [
        ("nginx:lat est", "invalid reference format"),
        ("nginx:", "invalid reference format"),
        ("nginx/", "invalid reference format"),
        ("http://a/b", "invalid reference format"),
        (
            "NGINX:lat est",
            "invalid reference format: repository name (library/NGINX) must be lowercase",
        ),
        (
            "ghcr.io/Me/app",
            "invalid reference format: repository name (Me/app) must be lowercase",
        ),
    ],
)
def test_name_that_no_image_can_have(image: str, why: str) -> None:
    """The container waits as InvalidImageName, with the kubelet's own sentence."""
    with pytest.raises(InvalidImageNameError) as caught:
        _resolve(image)
    assert caught.value.reason == "InvalidImageName"
    said = f'Failed to apply default image tag "{image}": couldn\'t parse image name "{image}"'
    assert str(caught.value) == f"{said}: {why}"


@pytest.mark.parametrize(
    "image",
    [
        "nginx:1.27",
        "localhost:5000/a/b:v1",
        "Registry.Example/a__b/c--d:V1.0_x",
        "registry.k8s.io/pause:3.9@sha256:" + "ab" * 32,
        "me/app_one.two:1",
    ],
)
def test_name_that_an_image_can_have(image: str) -> None:
    """Whatever a registry takes, the kubelet does."""
    assert _resolve(image) == image
