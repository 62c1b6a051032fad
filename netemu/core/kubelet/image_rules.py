"""What a cluster's file says of images: a pattern, and what runs in their place.

A pattern with a `/` is compared with the whole name, one without with its last part; a
tag counts only where the pattern has one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

from netemu.core.kubelet.field_refs import ContainerConfigError
from netemu.core.kubelet.memory import BACK_OFF_FIRST_S, BACK_OFF_MAX_S
from netemu.model.settings import ImageSettings

_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_DOMAIN = rf"{_LABEL}(?:\.{_LABEL})*(?::[0-9]+)?/"
_DIGEST = r"@[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]+"
_REFERENCE = re.compile(
    rf"(?:{_DOMAIN})?{_PART}(?:/{_PART})*(?::[A-Za-z0-9_][A-Za-z0-9_.-]{{0,127}})?(?:{_DIGEST})?"
)


class NoSuchImageError(ContainerConfigError):
    """The image is said not to exist: the container waits, as for a registry."""

    reason = "ErrImagePull"

    def __init__(self, image: str, why: str) -> None:
        super().__init__(why)
        self.image = image


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


class InvalidImageNameError(ContainerConfigError):
    """No image can have that name."""

    reason = "InvalidImageName"


def require_reference(image: str) -> None:
    """Return if `image` can be an image's name; InvalidImageNameError, as the kubelet says it."""
    if _REFERENCE.fullmatch(image):
        return
    why = "invalid reference format"
    first, slash, rest = image.partition("/")
    has_domain = slash and (first == "localhost" or "." in first or ":" in first)
    path = (rest if has_domain else image).split("@", 1)[0].split(":", 1)[0]
    if path != path.lower():
        shown = path if has_domain or slash else f"library/{path}"
        why += f": repository name ({shown}) must be lowercase"
    raise InvalidImageNameError(
        f'Failed to apply default image tag "{image}": couldn\'t parse image name "{image}": {why}'
    )


class NeverPulledError(ContainerConfigError):
    """There is no such image, and `imagePullPolicy: Never` says not to look for it."""

    reason = "ErrImageNeverPull"


def no_such_image(image: str) -> NoSuchImageError:
    return NoSuchImageError(image, "the cluster file says that there is none")


def unknown_image(image: str, known: Iterable[str]) -> NoSuchImageError:
    return NoSuchImageError(
        image,
        f"netemu has no such image, and with strict images nothing stands in; there are "
        f"{', '.join(known)} and what the cluster file's `images` names",
    )


def never_pulled(image: str) -> NeverPulledError:
    return NeverPulledError(f'Container image "{image}" is not present with pull policy of Never')


def next_pull_delay_s(delay_s: float) -> float:
    """Return how long to wait after another pull has failed: 10 s at first, 300 at most."""
    return min(delay_s * 2 or BACK_OFF_FIRST_S, BACK_OFF_MAX_S)
