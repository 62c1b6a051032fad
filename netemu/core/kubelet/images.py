"""What an image name stands for: there is no registry and no image.

`resolve` tries, in this order: what the cluster's file says; a built-in image; netemu's
own; the host's tools under the name of an image that is little else than tools; a program
on the host's root that the container's `command` names; and last a *stand-in*, a small
server that listens on every declared port and says which Pod it is. So a manifest from
anywhere becomes a Pod that answers. With *strict images* there are no stand-ins but those
that the file asks for: any other image is one that cannot be pulled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from netemu.core.kubelet.image_rules import (
    NoSuchImageError,
    never_pulled,
    no_such_image,
    require_reference,
    rule_for,
    unknown_image,
)
from netemu.core.kubelet.well_known_ports import well_known_ports
from netemu.model.core_v1 import Container, Probe
from netemu.model.settings import ImageSettings


class ImageSource(StrEnum):
    """What runs in the place of an image."""

    BUILT_IN = "built-in"
    HOST_TOOLS = "host-tools"
    HOST_PROGRAM = "host-program"
    STAND_IN = "stand-in"


AGNHOST = "netemu.images.agnhost:main"
DNS_IMAGE = "netemu/dns"
DNS = "netemu.daemons.dns:main"
STAND_IN = "netemu.images.standin:main"
AGNHOST_FURNITURE = "netemu.images.agnhost"
_AGNHOST_NAMES = ("agnhost", "agnhost-2")
# The same with HTTP/2, which few need.
AGNHOST_GRPC = "netemu.images.grpc:agnhost"
STAND_IN_GRPC = "netemu.images.grpc:stand_in"
_GRPC_COMMANDS = ("grpc-health-checking",)

# The image's last path component → what its ENTRYPOINT and CMD come to when the
# container gives neither `command` nor `args`.
_TOOL_IMAGES: dict[str, tuple[str, ...]] = {
    "busybox": ("sh",),
    "alpine": ("/bin/sh",),
    "debian": ("bash",),
    "ubuntu": ("/bin/bash",),
    "fedora": ("/bin/bash",),
    "centos": ("/bin/bash",),
    "rockylinux": ("/bin/bash",),
    "bash": ("bash",),
    "curl": ("curl",),
    "netshoot": ("sh",),
    "network-multitool": ("sh",),
    "jessie-dnsutils": ("sleep", "3600"),
    "dnsutils": ("sleep", "3600"),
}
# ENTRYPOINT scripts of these put the tool's name before arguments that are options
# or URLs: `args: ["-s", "http://web"]`.
_TOOL_OF_IMAGE = {"curl": "curl", "bash": "bash"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution:
    """What to run for one container; either `argv` or `entrypoint` is set."""

    source: ImageSource
    image: str
    """The image with its tag, as Kubernetes shows it in the status."""
    image_id: str
    argv: tuple[str, ...] = ()
    entrypoint: str = ""
    args: tuple[str, ...] = ()
    pulled: str
    """The message of the event `Pulled`."""
    furniture: str = ""
    """The module of the built-in image that puts files of its own into the root."""
    runs_as_root: bool = True
    """What the image's USER comes to when the Pod names no user."""


def resolve(
    container: Container,
    *,
    command: Sequence[str],
    args: Sequence[str],
    pod_facts: Sequence[str],
    has_program: Callable[[str], bool],
    rules: Sequence[ImageSettings] = (),
    strict: bool = False,
) -> Resolution:
    """Choose what runs for `container`, whose `$(VAR)`s are expanded in `command` and `args`.

    `pod_facts` are the stand-in's options that say whose it is; `has_program` tells
    whether the host's root has a program of that name or path. NoSuchImageError or
    NeverPulledError if the image is not to be had, InvalidImageNameError if none can be
    called so.
    """
    require_reference(container.image)
    try:
        return _choose(container, command, args, pod_facts, has_program, rules, strict=strict)
    except NoSuchImageError as error:
        if container.image_pull_policy == "Never":
            raise never_pulled(error.image) from error
        raise


def _choose(
    container: Container,
    command: Sequence[str],
    args: Sequence[str],
    pod_facts: Sequence[str],
    has_program: Callable[[str], bool],
    rules: Sequence[ImageSettings],
    *,
    strict: bool,
) -> Resolution:
    image = with_tag(container.image)
    name = _short_name(image)
    if _repository(image) != DNS_IMAGE and (rule := rule_for(image, rules)):
        return _ruled(rule, container, image, name, pod_facts)
    if built_in := _built_in(image, name, command, args):
        return built_in
    if name in _TOOL_IMAGES:
        return _host_tools(image, name, command, args, has_program)
    if strict:
        raise unknown_image(image, ["agnhost", "pause", *_TOOL_IMAGES])
    if command and has_program(command[0]):
        return _host_program(image, (*command, *args))
    return _stand_in(container, image, name, pod_facts)


def _ruled(
    rule: ImageSettings, container: Container, image: str, name: str, pod_facts: Sequence[str]
) -> Resolution:
    if rule.agnhost is not None:
        return _entrypoint(image, "agnhost", AGNHOST, rule.agnhost)
    if rule.command is not None:
        return _host_program(image, rule.command)
    if rule.stand_in is not None:
        return _stand_in(container, image, name, pod_facts, asked=rule.stand_in)
    raise no_such_image(image)


def with_tag(image: str) -> str:
    """Return the image with `:latest` where it has neither tag nor digest."""
    last = image.rsplit("/", 1)[-1]
    return image if ":" in last or "@" in last else f"{image}:latest"


def _short_name(image: str) -> str:
    return image.rsplit("/", 1)[-1].split("@", 1)[0].split(":", 1)[0]


def _repository(image: str) -> str:
    without_digest = image.split("@", 1)[0]
    head, _, last = without_digest.rpartition("/")
    return f"{head}/{last.split(':', 1)[0]}".lstrip("/")


def _present(image: str) -> str:
    return f'Container image "{image}" already present on machine'


def _built_in(
    image: str, name: str, command: Sequence[str], args: Sequence[str]
) -> Resolution | None:
    if _repository(image) == DNS_IMAGE:
        return _entrypoint(image, "dns", DNS, args)
    if name == "pause":
        return _entrypoint(image, "pause", AGNHOST, ("pause",))
    if name != "agnhost":
        return None
    if not command:
        return _entrypoint(image, "agnhost", AGNHOST, args or ("pause",))
    if command[0].rsplit("/", 1)[-1] in _AGNHOST_NAMES:
        return _entrypoint(image, "agnhost", AGNHOST, (*command[1:], *args))
    # `command: ["sh", "-c", …]` in agnhost: the image has a shell and tools, too.
    return replace(_with_tools(image, (*command, *args)), furniture=AGNHOST_FURNITURE)


def _entrypoint(image: str, what: str, entrypoint: str, args: Sequence[str]) -> Resolution:
    if entrypoint == AGNHOST and args and args[0] in _GRPC_COMMANDS:
        entrypoint = AGNHOST_GRPC
    return Resolution(
        source=ImageSource.BUILT_IN,
        image=image,
        image_id=f"netemu://built-in/{what}",
        entrypoint=entrypoint,
        args=tuple(args),
        furniture=AGNHOST_FURNITURE if what == "agnhost" else "",
        pulled=_present(image),
    )


def _host_tools(
    image: str,
    name: str,
    command: Sequence[str],
    args: Sequence[str],
    has_program: Callable[[str], bool],
) -> Resolution:
    argv = (*command, *args) or _TOOL_IMAGES[name]
    tool = _TOOL_OF_IMAGE.get(name)
    if not command and args and tool and (args[0].startswith("-") or not has_program(args[0])):
        argv = (tool, *args)
    elif name == "busybox" and not has_program(argv[0]) and has_program("busybox"):
        # An applet that the host has no program for.
        argv = ("busybox", *argv)
    return _with_tools(image, argv)


def _with_tools(image: str, argv: Sequence[str]) -> Resolution:
    return Resolution(
        source=ImageSource.HOST_TOOLS,
        image=image,
        image_id="netemu://host-tools",
        argv=tuple(argv),
        pulled=f"{_present(image)}: the host's tools",
    )


def _host_program(image: str, argv: Sequence[str]) -> Resolution:
    return Resolution(
        source=ImageSource.HOST_PROGRAM,
        image=image,
        image_id=f"netemu://host-program/{argv[0].lstrip('/')}",
        argv=tuple(argv),
        pulled=f'{_present(image)}: the host\'s own "{argv[0]}" runs in its place',
    )


def _stand_in(
    container: Container,
    image: str,
    name: str,
    pod_facts: Sequence[str],
    *,
    asked: Sequence[str] = (),
) -> Resolution:
    declared = [f"{p.container_port}/{p.protocol or 'TCP'}" for p in container.ports]
    declared = list(dict.fromkeys([*declared, *asked]))
    usual = [] if declared else [f"{port}/TCP" for port in well_known_ports(name)]
    # A probe may name a port that nobody declared: the real program would answer there.
    asked_by_probes = dict.fromkeys(_probed_ports(container))
    probed = [port for port in asked_by_probes if port not in (*declared, *usual)]
    served = dict.fromkeys([*declared, *usual, *probed])
    ports = [word for port in served for word in ("--port", port.lower())]
    return Resolution(
        source=ImageSource.STAND_IN,
        image=image,
        image_id=f"netemu://stand-in/{image}",
        entrypoint=STAND_IN_GRPC if _is_probed_by_grpc(container) else STAND_IN,
        args=(*ports, *pod_facts),
        pulled=f'Image "{image}" is not pulled: a netemu stand-in takes its place'
        f" and serves {_listed(declared, usual, probed)}",
        # Nobody knows the user of an image that was never seen: a Pod that insists on
        # not being root gets its way.
        runs_as_root=False,
    )


def _probes(container: Container) -> list[Probe]:
    probes = (container.startup_probe, container.liveness_probe, container.readiness_probe)
    return [probe for probe in probes if probe is not None]


def _is_probed_by_grpc(container: Container) -> bool:
    return any(probe.grpc is not None for probe in _probes(container))


def _probed_ports(container: Container) -> Iterator[str]:
    for probe in _probes(container):
        for action in (probe.http_get, probe.tcp_socket, probe.grpc):
            if action is not None and isinstance(action.port, int):
                yield f"{action.port}/TCP"


def _listed(declared: Sequence[str], usual: Sequence[str], probed: Sequence[str]) -> str:
    told = [", ".join(declared)] if declared else []
    if usual:
        told.append(f"{', '.join(usual)}, as that image would: none is declared")
    if probed:
        told.append(f"{', '.join(probed)} for its probes")
    if not told:
        return "no port, since none is declared"
    several = len(declared) + len(usual) + len(probed) > 1
    return f"port{'s' * several} {', and '.join(told)}"
