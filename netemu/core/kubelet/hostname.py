"""A Pod's hostname and its fully qualified name (control-plane-and-node.md, 3.7)."""

from __future__ import annotations

from netemu.errors import NetemuError
from netemu.model.core_v1 import Pod

_HOSTNAME_MAX = 63
_KERNEL_HOSTNAME_MAX = 64


def hostname_of(pod: Pod, *, node: str) -> str:
    """Return the short name: what stands in `/etc/hosts`."""
    if pod.spec.hostname_override is not None:
        return pod.spec.hostname_override
    if pod.spec.host_network:
        return node
    name = pod.spec.hostname or pod.metadata.name
    return name[:_HOSTNAME_MAX].rstrip("-.")


def domain_of(pod: Pod, *, cluster_domain: str) -> str:
    """Return the Pod's DNS domain; only a subdomain gives it one."""
    if not pod.spec.subdomain:
        return ""
    return f"{pod.spec.subdomain}.{pod.metadata.namespace}.svc.{cluster_domain}"


class HostnameTooLongError(NetemuError):
    """setHostnameAsFQDN asks for more than a kernel takes."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"failed to construct FQDN from pod hostname and cluster domain, FQDN {name} is"
            f" too long ({_KERNEL_HOSTNAME_MAX} characters is the max,"
            f" {len(name)} characters requested)"
        )


def kernel_hostname_of(pod: Pod, *, node: str, cluster_domain: str) -> str:
    """Return what `uname -n` says; raises HostnameTooLongError."""
    short = hostname_of(pod, node=node)
    domain = domain_of(pod, cluster_domain=cluster_domain)
    if not pod.spec.set_hostname_as_fqdn or not domain or pod.spec.host_network:
        return short
    full = f"{short}.{domain}"
    if len(full) > _KERNEL_HOSTNAME_MAX:
        raise HostnameTooLongError(full)
    return full
