"""How a client reaches an API server: from a kubeconfig file, or from inside a Pod."""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from netemu.errors import UserError

_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiAccess:
    """Where the server is, how it is recognised, and who we are to it."""

    server: str
    """`https://127.0.0.1:6443`."""
    ca_pem: bytes = b""
    token: str = ""
    token_file: str = ""
    """Read anew for each connection's first request: the kubelet renews it."""
    certificate_pem: bytes = b""
    key_pem: bytes = b""
    namespace: str = "default"


def load_kubeconfig(path: Path, *, context: str = "") -> ApiAccess:
    """Return what a kubeconfig says of a context, or of the current one. Raises UserError."""
    config = _parse(path)
    wanted = context or str(config.get("current-context") or "")
    if not wanted:
        raise UserError("no current-context is set, and none was asked for", file=str(path))
    chosen = _named(config, "context", wanted, path)
    cluster = _named(config, "cluster", str(chosen.get("cluster")), path)
    user = _named(config, "user", str(chosen.get("user")), path)
    if not cluster.get("server"):
        raise UserError(f"the cluster of context {wanted!r} has no server", file=str(path))
    return ApiAccess(
        server=str(cluster["server"]).rstrip("/"),
        ca_pem=_content(cluster, "certificate-authority", path),
        token=str(user.get("token") or ""),
        token_file=str(user.get("tokenFile") or ""),
        certificate_pem=_content(user, "client-certificate", path),
        key_pem=_content(user, "client-key", path),
        namespace=str(chosen.get("namespace") or "default"),
    )


def in_cluster(environment: Mapping[str, str] = os.environ, account: Path = _ACCOUNT) -> ApiAccess:
    """Return what a Pod is given to reach its API server. Raises UserError outside of one."""
    host = environment.get("KUBERNETES_SERVICE_HOST", "")
    port = environment.get("KUBERNETES_SERVICE_PORT", "443")
    if not host:
        raise UserError("KUBERNETES_SERVICE_HOST is not set: this is not a Pod")
    try:
        namespace = (account / "namespace").read_text().strip()
        ca_pem = (account / "ca.crt").read_bytes()
    except OSError as error:
        raise UserError(f"the Pod has no service account: {error.strerror}") from error
    return ApiAccess(
        server=f"https://{host}:{port}",
        ca_pem=ca_pem,
        token_file=str(account / "token"),
        namespace=namespace,
    )


def render_kubeconfig(name: str, access: ApiAccess) -> dict[str, Any]:
    """Return a kubeconfig of one context, as data."""
    user: dict[str, Any] = {}
    if access.certificate_pem:
        user["client-certificate-data"] = base64.b64encode(access.certificate_pem).decode()
        user["client-key-data"] = base64.b64encode(access.key_pem).decode()
    if access.token:
        user["token"] = access.token
    authority = base64.b64encode(access.ca_pem).decode()
    cluster = {"server": access.server, "certificate-authority-data": authority}
    context = {"cluster": name, "user": name, "namespace": access.namespace}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": cluster}],
        "users": [{"name": name, "user": user}],
        "contexts": [{"name": name, "context": context}],
        "current-context": name,
    }


def _parse(path: Path) -> dict[str, Any]:
    try:
        config = yaml.safe_load(path.read_text())
    except OSError as error:
        raise UserError(
            f"the kubeconfig cannot be read: {error.strerror}", file=str(path)
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError("the kubeconfig is not YAML", file=str(path)) from error
    if not isinstance(config, dict):
        raise UserError("the kubeconfig is not a mapping", file=str(path))
    return config


def _named(config: dict[str, Any], what: str, name: str, path: Path) -> dict[str, Any]:
    """Return `clusters[name=…].cluster`, and likewise for contexts and users."""
    for entry in config.get(f"{what}s") or ():
        if isinstance(entry, dict) and entry.get("name") == name:
            found = entry.get(what) or {}
            if isinstance(found, dict):
                return found
    raise UserError(f"there is no {what} {name!r}", file=str(path))


def _content(section: dict[str, Any], key: str, path: Path) -> bytes:
    """Return a PEM that is given inline, or in a file relative to the kubeconfig's folder."""
    inline = section.get(f"{key}-data")
    if inline:
        try:
            return base64.b64decode(str(inline), validate=True)
        except binascii.Error as error:
            raise UserError(f"{key}-data is not base64", file=str(path)) from error
    if not section.get(key):
        return b""
    file = path.parent / str(section[key])
    try:
        return file.read_bytes()
    except OSError as error:
        raise UserError(f"{key}: {file} cannot be read", file=str(path)) from error
