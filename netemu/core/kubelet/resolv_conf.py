"""The `/etc/resolv.conf` of a Pod (control-plane-and-node.md, 3.7).

`dnsPolicy` chooses where the lines come from, `dnsConfig` adds to them, and what the
resolver could not take in is cut with a warning, as the kubelet does it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from netemu.model.core_v1 import Pod

_NAMESERVERS_MAX = 3
_SEARCH_MAX = 32
_SEARCH_CHARS_MAX = 2048


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolvConf:
    """A resolver's configuration; order matters everywhere."""

    nameservers: tuple[str, ...] = ()
    search: tuple[str, ...] = ()
    options: tuple[str, ...] = ()

    def render(self) -> str:
        lines = [f"search {' '.join(self.search)}"] if self.search else []
        lines += [f"nameserver {address}" for address in self.nameservers]
        lines += [f"options {' '.join(self.options)}"] if self.options else []
        return "".join(f"{line}\n" for line in lines)


@dataclass(frozen=True, slots=True, kw_only=True)
class Warned:
    """An event that the making of the file gives rise to."""

    reason: str
    message: str


def parse(text: str) -> ResolvConf:
    """Read a resolv.conf: the last `search` and every `nameserver` and option count."""
    nameservers: list[str] = []
    search: list[str] = []
    options: list[str] = []
    for line in text.splitlines():
        keyword, *values = line.split("#", 1)[0].split(";", 1)[0].split() or [""]
        if keyword == "nameserver" and values:
            nameservers.append(values[0])
        elif keyword == "search":
            search = [domain.rstrip(".") or "." for domain in values]
        elif keyword == "options":
            options = values
    return ResolvConf(nameservers=tuple(nameservers), search=tuple(search), options=tuple(options))


def make(
    pod: Pod, *, cluster_dns: Iterable[str], cluster_domain: str, node: ResolvConf
) -> tuple[ResolvConf, tuple[Warned, ...]]:
    """Return the Pod's configuration and what must be warned of."""
    servers = tuple(cluster_dns)
    warnings: list[Warned] = []
    match _policy(pod):
        case "None":
            conf = ResolvConf()
        case "ClusterFirst" if servers:
            conf = _cluster(pod, servers, cluster_domain, node)
        case "ClusterFirst":
            conf = node
            warnings.append(_missing_cluster_dns(pod))
        case _:
            conf = node
    conf = _with_config(pod, conf)
    conf, cut = _within_limits(conf)
    return conf, (*warnings, *cut)


def _policy(pod: Pod) -> str:
    policy = pod.spec.dns_policy or "ClusterFirst"
    if policy == "ClusterFirst" and pod.spec.host_network:
        return "Default"
    return "ClusterFirst" if policy == "ClusterFirstWithHostNet" else policy


def _cluster(pod: Pod, servers: tuple[str, ...], domain: str, node: ResolvConf) -> ResolvConf:
    own = (f"{pod.metadata.namespace}.svc.{domain}", f"svc.{domain}", domain)
    # The node's options are dropped on purpose: only ndots:5 makes the list work.
    return ResolvConf(nameservers=servers, search=_once((*own, *node.search)), options=("ndots:5",))


def _missing_cluster_dns(pod: Pod) -> Warned:
    policy = pod.spec.dns_policy or "ClusterFirst"
    return Warned(
        reason="MissingClusterDNS",
        message="kubelet does not have ClusterDNS IP configured and cannot create Pod using"
        f' "{policy}" policy. Falling back to "Default" policy.',
    )


def _with_config(pod: Pod, conf: ResolvConf) -> ResolvConf:
    extra = pod.spec.dns_config
    if extra is None:
        return conf
    options = {option.split(":", 1)[0]: option for option in conf.options}
    for option in extra.options:
        text = f"{option.name}:{option.value}" if option.value else option.name
        options[option.name] = text
    return ResolvConf(
        nameservers=_once((*conf.nameservers, *extra.nameservers)),
        search=_once((*conf.search, *extra.searches)),
        options=tuple(options.values()),
    )


def _once(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(values))


def _within_limits(conf: ResolvConf) -> tuple[ResolvConf, list[Warned]]:
    warnings: list[Warned] = []
    servers = conf.nameservers[:_NAMESERVERS_MAX]
    if servers != conf.nameservers:
        text = "Nameserver limits were exceeded, some nameservers have been omitted,"
        applied = f"the applied nameserver line is: {' '.join(servers)}"
        warnings.append(Warned(reason="DNSConfigForming", message=f"{text} {applied}"))
    search = conf.search[:_SEARCH_MAX]
    while len(" ".join(search)) > _SEARCH_CHARS_MAX:
        search = search[:-1]
    if search != conf.search:
        text = "Search Line limits were exceeded, some search paths have been omitted,"
        applied = f"the applied search line is: {' '.join(search)}"
        warnings.append(Warned(reason="DNSConfigForming", message=f"{text} {applied}"))
    return ResolvConf(nameservers=servers, search=search, options=conf.options), warnings
