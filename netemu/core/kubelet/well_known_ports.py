"""What images that everybody knows listen on, for manifests that do not say it.

`kubectl create deployment nginx --image=nginx` declares no port, and the `EXPOSE` of
an image is not there to be read. A stand-in for one of these serves what the image
would have served; a declared port always comes first.
"""

from __future__ import annotations

_PORTS: dict[str, tuple[int, ...]] = {
    "nginx": (80,),
    "nginx-unprivileged": (8080,),
    "httpd": (80,),
    "apache": (80,),
    "caddy": (80,),
    "traefik": (80,),
    "haproxy": (80,),
    "envoy": (10000,),
    "whoami": (80,),
    "echoserver": (8080,),
    "echo-server": (80,),
    "http-echo": (5678,),
    "hello-app": (8080,),
    "hello-world": (8080,),
    "hello-kubernetes": (8080,),
    "hello-node": (8080,),
    "kubernetes-bootcamp": (8080,),
    "podinfo": (9898,),
    "node-hello": (8080,),
    "hostnames": (9376,),
    "serve_hostname": (9376,),
    "httpbin": (80,),
    "tomcat": (8080,),
    "jetty": (8080,),
    "wordpress": (80,),
    "ghost": (2368,),
    "redis": (6379,),
    "valkey": (6379,),
    "memcached": (11211,),
    "postgres": (5432,),
    "mysql": (3306,),
    "mariadb": (3306,),
    "mongo": (27017,),
    "elasticsearch": (9200,),
    "rabbitmq": (5672,),
    "nats": (4222,),
    "prometheus": (9090,),
    "grafana": (3000,),
    "registry": (5000,),
}


def well_known_ports(image: str) -> tuple[int, ...]:
    """Return the TCP ports of an image by its last name, without tag; often none."""
    return _PORTS.get(image, ())
