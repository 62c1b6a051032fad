"""What a cluster's file says of images: a pattern, and what runs in their place.

A pattern with a `/` is compared with the whole name, one without with its last part; a
tag counts only where the pattern has one.
"""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

from netemu.core.kubelet.field_refs import ContainerConfigError
from netemu.model.settings import ImageSettings


class NoSuchImageError(ContainerConfigError):
    """The image is said not to exist: the container waits, as for a registry."""

    reason = "ImagePullBackOff"


def rule_for(image: str, rules: Sequence[ImageSettings]) -> ImageSettings | None:
    """Return the first rule that matches."""
    return next((rule for rule in rules if _matches(image, rule.pattern)), None)


def _matches(image: str, pattern: str) -> bool:
    name = image if "/" in pattern else image.rsplit("/", 1)[-1]
    last = pattern.rsplit("/", 1)[-1]
    if ":" not in last and "@" not in last:
        head, slash, tail = name.rpartition("/")
        name = f"{head}{slash}{tail.split('@', 1)[0].split(':', 1)[0]}"
    return fnmatchcase(name, pattern)


def no_such_image(image: str) -> NoSuchImageError:
    return NoSuchImageError(
        f'Back-off pulling image "{image}": the cluster file says that there is none'
    )
