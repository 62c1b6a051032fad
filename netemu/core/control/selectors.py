"""LabelSelectors as they come from the API: one that means nothing sensible means nothing."""

from __future__ import annotations

from netemu.model.meta_v1 import LabelSelector
from netemu.model.selector import NOTHING, Selector, from_label_selector


def selector_of(wanted: LabelSelector | None) -> Selector:
    """Never raises: one bad object must not stop a controller for all others."""
    try:
        return from_label_selector(wanted)
    except ValueError:
        return NOTHING
