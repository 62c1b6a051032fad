"""What the HTTPS client makes of the lines of a watch."""

from __future__ import annotations

import pytest

from netemu.client import https
from netemu.client.contract import EventType
from netemu.errors import ApiError
from netemu.model.apps_v1 import Deployment


def test_a_bookmark_is_a_revision():
    """As Kubernetes writes it: with a creation timestamp of null."""
    line = (
        b'{"type":"BOOKMARK","object":{"kind":"Deployment","apiVersion":"apps/v1",'
        b'"metadata":{"resourceVersion":"42","creationTimestamp":null}}}\n'
    )
    event = https._event(line, Deployment)
    assert event.type is EventType.BOOKMARK
    assert event.object.metadata.resource_version == "42"


def test_half_a_line_breaks_the_watch_off():
    """The server died while it wrote: an error that informers try again after."""
    with pytest.raises(ApiError, match="the watch broke off"):
        https._event(b'{"type":"ADDED","object":{"meta', Deployment)
