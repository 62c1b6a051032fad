"""Cluster addresses and node ports: who holds which, and which is next.

Both ranges have a lower, static band, left to people who choose for themselves, and
an upper, dynamic one, from which free numbers are drawn at random; the lower band
serves the draw once the upper is full (kube-proxy.md, 7). A range is a byte a number:
finding a free one runs at the speed of memchr, however full the range is.

The allocator is a cache of what the stored Services say, and is rebuilt from them
when the API server starts.
"""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import AddressValueError, IPv4Address, IPv4Network

from netemu.core.apiserver.field_errors import FieldError, bad_value
from netemu.errors import ApiError
from netemu.model.core_v1 import Service, ServicePort

Choose = Callable[[int], int]
"""Returns a number from 0 up to, not including, its argument."""

_NODE_PORT_TYPES = frozenset(("NodePort", "LoadBalancer"))
_CLUSTER_IP_TYPES = frozenset(("", "ClusterIP", "NodePort", "LoadBalancer"))


class _Range:
    """Numbers 0…size-1, each free or taken; the first `static` are drawn last."""

    def __init__(self, size: int, static: int) -> None:
        self._taken = bytearray(size)
        self._static = static

    def holds(self, number: int) -> bool:
        return bool(self._taken[number])

    def take(self, number: int) -> None:
        self._taken[number] = 1

    def free(self, number: int) -> None:
        self._taken[number] = 0

    def draw(self, choose: Choose) -> int | None:
        """Take a free number; None when there is none."""
        size = len(self._taken)
        for low, high in ((self._static, size), (0, self._static)):
            if low >= high:
                continue
            start = low + choose(high - low)
            # From a random place to the band's end, then from its beginning.
            number = self._taken.find(0, start, high)
            if number < 0:
                number = self._taken.find(0, low, start)
            if number >= 0:
                self._taken[number] = 1
                return number
        return None


class ServiceAllocator:
    """Holds what all Services of the cluster hold."""

    def __init__(self, service_cidr: IPv4Network, node_ports: range) -> None:
        self._cidr = service_cidr
        # Neither the network's own address nor the broadcast address is anybody's.
        self._first_ip = int(service_cidr.network_address) + 1
        hosts = max(service_cidr.num_addresses - 2, 0)
        size = service_cidr.num_addresses
        self._ips = _Range(hosts, 0 if size <= 16 else min(max(16, size // 16), 256))
        self._node_ports = node_ports
        ports = len(node_ports)
        self._ports = _Range(ports, 0 if ports <= 16 else min(max(16, ports // 32), 128))

    def allocate(self, service: Service, old: Service | None, choose: Choose) -> list[FieldError]:
        """Give `service` what its type needs, and take back what only `old` needed.

        All or nothing: with errors, the allocator and the Service are as before. When
        the Service is then not stored after all, call `revert`.
        """
        before = _Claims.of(old)
        errors, taken = self._claim_chosen(service, before)
        if errors:
            self._free(taken)
            return errors
        try:
            self._draw_ip(service, taken, choose)
            self._draw_ports(service, taken, choose)
        except ApiError:
            self._free(taken)
            raise
        self._free(before - _Claims.of(service))
        return []

    def revert(self, service: Service, old: Service | None) -> None:
        """Undo a successful `allocate` whose result could not be stored."""
        now, before = _Claims.of(service), _Claims.of(old)
        self._free(now - before)
        self._take(before - now)

    def release(self, service: Service) -> None:
        """Take back everything; the Service is gone."""
        self._free(_Claims.of(service))

    def adopt(self, service: Service) -> None:
        """Note what a Service from the store holds already."""
        self._take(_Claims.of(service))

    def _claim_chosen(self, service: Service, before: _Claims) -> tuple[list[FieldError], _Claims]:
        """Take the numbers that the Service names itself and did not hold before."""
        errors: list[FieldError] = []
        taken = _Claims()
        for text in _Claims.of(service).ips:
            problem = "" if text in before.ips else self._ip_problem(text)
            if problem:
                detail = f"failed to allocate IP {text}: {problem}"
                errors.append(bad_value("spec.clusterIPs", [text], detail))
            elif text not in before.ips:
                self._ips.take(self._ip_index(text))
                taken.ips.append(text)
        for field, port in _ports_named(service):
            # One Service may use one number for TCP and for UDP.
            if port in before.ports or port in taken.ports:
                continue
            problem = self._port_problem(port)
            if problem:
                errors.append(bad_value(field, port, problem))
            else:
                self._ports.take(port - self._node_ports.start)
                taken.ports.append(port)
        return errors, taken

    def _draw_ip(self, service: Service, taken: _Claims, choose: Choose) -> None:
        spec = service.spec
        if spec.type not in _CLUSTER_IP_TYPES or spec.cluster_ip:
            return
        number = self._ips.draw(choose)
        if number is None:
            raise _full("failed to allocate a serviceIP: range is full")
        spec.cluster_ip = str(IPv4Address(self._first_ip + number))
        spec.cluster_ips = [spec.cluster_ip]
        taken.ips.append(spec.cluster_ip)

    def _draw_ports(self, service: Service, taken: _Claims, choose: Choose) -> None:
        spec = service.spec
        for port in spec.ports if _wants_node_ports(service) else ():
            # The same port over TCP and UDP gets the same node port, as DNS needs it.
            if not port.node_port:
                port.node_port = _node_port_of_twin(port, spec.ports)
            if not port.node_port:
                port.node_port = self._draw_port(taken, choose)
        if needs_health_check_port(service) and not spec.health_check_node_port:
            spec.health_check_node_port = self._draw_port(taken, choose)

    def _draw_port(self, taken: _Claims, choose: Choose) -> int:
        number = self._ports.draw(choose)
        if number is None:
            raise _full("failed to allocate a nodePort: range is full")
        taken.ports.append(self._node_ports.start + number)
        return taken.ports[-1]

    def _ip_index(self, text: str) -> int:
        return int(IPv4Address(text)) - self._first_ip

    def _ip_problem(self, text: str) -> str:
        try:
            address = IPv4Address(text)
        except AddressValueError:
            return f"the provided IP ({text}) is not a valid IPv4 address"
        inside = address in self._cidr and address not in (
            self._cidr.network_address,
            self._cidr.broadcast_address,
        )
        if not inside:
            return (
                f"the provided IP ({text}) is not in the valid range. "
                f"The range of valid IPs is {self._cidr}"
            )
        taken = self._ips.holds(self._ip_index(text))
        return "provided IP is already allocated" if taken else ""

    def _port_problem(self, port: int) -> str:
        if port not in self._node_ports:
            first, last = self._node_ports.start, self._node_ports.stop - 1
            return (
                "provided port is not in the valid range. "
                f"The range of valid ports is {first}-{last}"
            )
        taken = self._ports.holds(port - self._node_ports.start)
        return "provided port is already allocated" if taken else ""

    def _take(self, claims: _Claims) -> None:
        for text in claims.ips:
            if IPv4Address(text) in self._cidr:
                self._ips.take(self._ip_index(text))
        for port in claims.ports:
            if port in self._node_ports:
                self._ports.take(port - self._node_ports.start)

    def _free(self, claims: _Claims) -> None:
        for text in claims.ips:
            if IPv4Address(text) in self._cidr:
                self._ips.free(self._ip_index(text))
        for port in claims.ports:
            if port in self._node_ports:
                self._ports.free(port - self._node_ports.start)


class _Claims:
    """The addresses and node ports that one Service holds, or is about to."""

    __slots__ = ("ips", "ports")

    def __init__(self, ips: list[str] | None = None, ports: list[int] | None = None) -> None:
        self.ips = ips or []
        self.ports = ports or []

    @classmethod
    def of(cls, service: Service | None) -> _Claims:
        if service is None:
            return cls()
        spec = service.spec
        ips = dict.fromkeys(ip for ip in (spec.cluster_ip, *spec.cluster_ips) if ip)
        held = [ip for ip in ips if ip != "None" and spec.type in _CLUSTER_IP_TYPES]
        return cls(held, list(dict.fromkeys(port for _, port in _ports_named(service))))

    def __sub__(self, other: _Claims) -> _Claims:
        return _Claims(
            [ip for ip in self.ips if ip not in other.ips],
            [port for port in self.ports if port not in other.ports],
        )


def needs_health_check_port(service: Service) -> bool:
    spec = service.spec
    return spec.type == "LoadBalancer" and spec.external_traffic_policy == "Local"


def _wants_node_ports(service: Service) -> bool:
    spec = service.spec
    if spec.type == "LoadBalancer":
        return spec.allocate_load_balancer_node_ports is not False
    return spec.type == "NodePort"


def _ports_named(service: Service) -> list[tuple[str, int]]:
    """Return each node port of the Service with the field that names it."""
    spec = service.spec
    named = []
    if spec.type in _NODE_PORT_TYPES:
        for index, port in enumerate(spec.ports):
            if port.node_port:
                named.append((f"spec.ports[{index}].nodePort", port.node_port))
    if needs_health_check_port(service) and spec.health_check_node_port:
        named.append(("spec.healthCheckNodePort", spec.health_check_node_port))
    return named


def _node_port_of_twin(port: ServicePort, ports: list[ServicePort]) -> int:
    for other in ports:
        if other.port == port.port and other.protocol != port.protocol and other.node_port:
            return other.node_port
    return 0


def _full(message: str) -> ApiError:
    return ApiError(500, "InternalError", message)
