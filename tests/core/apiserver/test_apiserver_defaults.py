"""Defaults: what a few lines of YAML become."""

import json
from pathlib import Path

import pytest
import yaml

from netemu.core.apiserver.defaults import apply_defaults
from netemu.core.apiserver.defaults.pods import pull_policy
from netemu.model import codec
from netemu.model.schema import copy_of

GOLDEN = Path(__file__).parent / "golden"
CASES = sorted(path.name.removesuffix(".input.yaml") for path in GOLDEN.glob("*.input.yaml"))


def load(case):
    return codec.from_dict(yaml.safe_load((GOLDEN / f"{case}.input.yaml").read_text()), None)


@pytest.mark.parametrize("case", CASES)
def test_defaults_are_those_of_kubernetes(case):
    """The input and what the server makes of it stand side by side in golden/."""
    obj = load(case)
    apply_defaults(obj)
    expected = json.loads((GOLDEN / f"{case}.defaulted.json").read_text())
    assert json.loads(codec.encode(obj)) == expected


@pytest.mark.parametrize("case", CASES)
def test_applying_defaults_twice_changes_nothing(case):
    """Otherwise every update would be news."""
    obj = load(case)
    apply_defaults(obj)
    once = copy_of(obj)
    apply_defaults(obj)
    assert obj == once


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("nginx", "Always"),
        ("nginx:latest", "Always"),
        ("nginx:1.25", "IfNotPresent"),
        ("registry:5000/nginx", "Always"),
        ("registry:5000/nginx:1", "IfNotPresent"),
        ("nginx@sha256:0123", "IfNotPresent"),
    ],
)
def test_an_image_without_a_tag_is_pulled_always(image, expected):
    """A registry's port is no tag."""
    assert pull_policy(image) == expected
