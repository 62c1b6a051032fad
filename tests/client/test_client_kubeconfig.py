"""Kubeconfig files are read as kubectl reads them, and wrong ones are named."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
import yaml

from netemu.client.kubeconfig import ApiAccess, in_cluster, load_kubeconfig, render_kubeconfig
from netemu.errors import UserError

ACCESS = ApiAccess(
    server="https://127.0.0.1:6443",
    ca_pem=b"ca",
    token="secret",
    certificate_pem=b"certificate",
    key_pem=b"key",
    namespace="shop",
)


def test_rendered_file_is_read_back(tmp_path: Path):
    """What is rendered is what is loaded."""
    path = tmp_path / "config"
    path.write_text(yaml.safe_dump(render_kubeconfig("netemu-lab", ACCESS)))
    assert load_kubeconfig(path) == ACCESS
    assert load_kubeconfig(path, context="netemu-lab") == ACCESS


def test_files_are_relative_to_the_kubeconfig(tmp_path: Path):
    """Certificates may be files next to the kubeconfig."""
    (tmp_path / "ca.crt").write_text("from a file")
    config = render_kubeconfig("lab", ACCESS)
    cluster = config["clusters"][0]["cluster"]
    del cluster["certificate-authority-data"]
    cluster["certificate-authority"] = "ca.crt"
    (tmp_path / "config").write_text(yaml.safe_dump(config))
    assert load_kubeconfig(tmp_path / "config").ca_pem == b"from a file"


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("{", "is not YAML"),
        ("[]", "is not a mapping"),
        ("{}", "no current-context is set"),
        ("{current-context: lab}", "there is no context 'lab'"),
        (
            "{current-context: lab, contexts: [{name: lab, context: {cluster: c, user: u}}]}",
            "there is no cluster 'c'",
        ),
    ],
)
def test_wrong_files_are_named(tmp_path: Path, content: str, complaint: str):
    """A wrong kubeconfig is one sentence with the file's name."""
    path = tmp_path / "config"
    path.write_text(content)
    with pytest.raises(UserError, match=complaint) as caught:
        load_kubeconfig(path)
    assert str(path) in str(caught.value)


def test_missing_file_and_bad_base64(tmp_path: Path):
    """A missing file and broken data are said to be that."""
    with pytest.raises(UserError, match="No such file"):
        load_kubeconfig(tmp_path / "none")
    config = render_kubeconfig("lab", ACCESS)
    config["users"][0]["user"]["client-key-data"] = base64.b64encode(b"key").decode() + "!"
    (tmp_path / "config").write_text(yaml.safe_dump(config))
    with pytest.raises(UserError, match="client-key-data is not base64"):
        load_kubeconfig(tmp_path / "config")


def test_pod_finds_its_server(tmp_path: Path):
    """A Pod is told by its environment and its service account."""
    (tmp_path / "namespace").write_text("shop\n")
    (tmp_path / "ca.crt").write_text("ca")
    environment = {"KUBERNETES_SERVICE_HOST": "10.96.0.1", "KUBERNETES_SERVICE_PORT": "443"}
    access = in_cluster(environment, tmp_path)
    assert (access.server, access.namespace) == ("https://10.96.0.1:443", "shop")
    assert access.token_file == str(tmp_path / "token")
    with pytest.raises(UserError, match="this is not a Pod"):
        in_cluster({}, tmp_path)
