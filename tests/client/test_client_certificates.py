"""Keys are shown to TLS without ever lying in a file that a kill could leave behind."""

from __future__ import annotations

import os
import ssl
import tempfile

import pytest

from netemu.client.certificates import load_pair
from netemu.daemons.apiserver.tls import serving_context
from netemu.host.pki import ClusterPki


def test_no_key_lies_in_a_file(pki: ClusterPki, monkeypatch: pytest.MonkeyPatch):
    """Both sides of TLS need no folder for temporary files, and keep no descriptor."""
    monkeypatch.setattr(tempfile, "tempdir", "/nowhere")
    open_before = os.listdir("/proc/self/fd")
    serving_context(pki.issue_serving(names=["a"], addresses=[]))
    one, other = pki.issue_client("one"), pki.issue_client("other")
    context = ssl.create_default_context()
    load_pair(context, one.certificate_pem, one.key_pem)
    with pytest.raises(ssl.SSLError):
        load_pair(context, one.certificate_pem, other.key_pem)
    assert os.listdir("/proc/self/fd") == open_before
