"""Images: what a name stands for."""

from __future__ import annotations

import pytest
import yaml

from netemu.core.kubelet import images
from netemu.core.kubelet.images import AGNHOST, DNS, STAND_IN, ImageSource, Resolution
from netemu.model.codec import from_dict
from netemu.model.core_v1 import Container, Pod


def container(text: str) -> Container:
    body = {"apiVersion": "v1", "kind": "Pod", "spec": {"containers": [yaml.safe_load(text)]}}
    return from_dict(body, Pod).spec.containers[0]


def resolve(text: str) -> Resolution:
    found = container(text)
    return images.resolve(
        found,
        command=found.command,
        args=found.args,
        pod_facts=["--pod", "web"],
        has_program=lambda name: name in {"sh", "sleep", "python3", "/usr/bin/python3", "curl"},
    )


@pytest.mark.parametrize(
    ("text", "entrypoint", "args"),
    [
        ("{name: c, image: registry.k8s.io/pause:3.9}", AGNHOST, ("pause",)),
        ("{name: c, image: registry.k8s.io/e2e-test-images/agnhost:2.53}", AGNHOST, ("pause",)),
        ("{name: c, image: agnhost, args: [netexec]}", AGNHOST, ("netexec",)),
        (
            "{name: c, image: 'localhost:5000/agnhost@sha256:ab', command: [/agnhost, netexec], args: [--http-port=80]}",
            AGNHOST,
            ("netexec", "--http-port=80"),
        ),
        ("{name: c, image: netemu/dns, args: [--x]}", DNS, ("--x",)),
    ],
)
def test_built_in_images(text: str, entrypoint: str, args: tuple[str, ...]) -> None:
    """Built-in images are found under any registry, tag and digest."""
    found = resolve(text)
    assert (found.source, found.entrypoint, found.args) == (
        ImageSource.BUILT_IN,
        entrypoint,
        args,
    )


@pytest.mark.parametrize(
    ("text", "argv"),
    [
        ("{name: c, image: busybox}", ("sh",)),
        ("{name: c, image: busybox:1.36, command: [sleep], args: ['9']}", ("sleep", "9")),
        ("{name: c, image: docker.io/library/debian, args: [sleep, '9']}", ("sleep", "9")),
        (
            "{name: c, image: curlimages/curl, args: [-s, 'http://web']}",
            ("curl", "-s", "http://web"),
        ),
        ("{name: c, image: curlimages/curl, args: [sleep, '9']}", ("sleep", "9")),
        ("{name: c, image: nicolaka/netshoot, command: [sh, -c, x]}", ("sh", "-c", "x")),
        ("{name: c, image: agnhost, command: [sh, -c, x]}", ("sh", "-c", "x")),
    ],
)
def test_images_of_tools_run_the_hosts(text: str, argv: tuple[str, ...]) -> None:
    """Images that are little else than tools run the host's tools."""
    found = resolve(text)
    assert (found.source, found.argv) == (ImageSource.HOST_TOOLS, argv)


def test_a_command_that_the_host_has_is_run() -> None:
    """A program on the host's root runs in the place of the image's."""
    found = resolve("{name: c, image: 'python:3', command: [python3, -m, http.server]}")
    assert found.source is ImageSource.HOST_PROGRAM
    assert found.argv == ("python3", "-m", "http.server")


def test_everything_else_is_stood_in_for() -> None:
    """A stand-in listens on declared ports and on those that probes ask, and says so."""
    found = resolve("""
name: c
image: nginx
command: [nginx, -g, "daemon off;"]
ports: [{containerPort: 80}, {containerPort: 53, protocol: UDP}]
readinessProbe: {httpGet: {port: 8080}}
""")
    assert (found.source, found.entrypoint) == (ImageSource.STAND_IN, STAND_IN)
    assert found.args == (
        *("--port", "80/tcp", "--port", "53/udp", "--port", "8080/tcp"),
        *("--pod", "web"),
    )
    assert found.image == "nginx:latest"
    assert found.image_id == "netemu://stand-in/nginx:latest"
    assert "stand-in" in found.pulled


def test_a_known_image_serves_its_usual_port_when_none_is_declared() -> None:
    """`kubectl create deployment nginx --image=nginx` declares no port; nginx serves 80."""
    assert resolve("{name: c, image: 'nginx:1.27'}").args[:2] == ("--port", "80/tcp")
    declared = resolve("{name: c, image: nginx, ports: [{containerPort: 8080}]}")
    assert declared.args[:2] == ("--port", "8080/tcp")
    assert "80/tcp" not in declared.args
    assert "--port" not in resolve("{name: c, image: example.com/batch}").args
