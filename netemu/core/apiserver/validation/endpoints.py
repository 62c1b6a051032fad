"""Endpoints and EndpointSlices: addresses that packets can be sent to."""

from __future__ import annotations

from collections.abc import Iterable

from netemu.core.apiserver.field_errors import (
    FieldError,
    bad_value,
    duplicate,
    required,
    too_many,
    unsupported,
)
from netemu.core.apiserver.validation import formats
from netemu.core.apiserver.validation.containers import PROTOCOLS
from netemu.model.core_v1 import EndpointAddress, Endpoints, EndpointSubset
from netemu.model.discovery_v1 import EndpointSlice

_ADDRESS_TYPES = ("FQDN", "IPv4", "IPv6")
_ENDPOINTS_MAX = 1000
_PORTS_MAX = 20000
_ADDRESSES_MAX = 100


def validate_endpoints(endpoints: Endpoints) -> list[FieldError]:
    errors: list[FieldError] = []
    for index, subset in enumerate(endpoints.subsets):
        errors += _validate_subset(subset, f"subsets[{index}]")
    return errors


def _validate_subset(subset: EndpointSubset, at: str) -> list[FieldError]:
    errors: list[FieldError] = []
    if not subset.addresses and not subset.not_ready_addresses:
        errors.append(required(at, "must specify `addresses` or `notReadyAddresses`"))
    errors += _validate_addresses(subset.addresses, f"{at}.addresses")
    errors += _validate_addresses(subset.not_ready_addresses, f"{at}.notReadyAddresses")
    for index, port in enumerate(subset.ports):
        field = f"{at}.ports[{index}]"
        if not port.name and len(subset.ports) > 1:
            errors.append(required(f"{field}.name"))
        elif port.name:
            problems = formats.dns_label(port.name)
            errors += [bad_value(f"{field}.name", port.name, text) for text in problems]
        errors += [
            bad_value(f"{field}.port", port.port, text) for text in formats.port_number(port.port)
        ]
        if port.protocol not in PROTOCOLS:
            errors.append(unsupported(f"{field}.protocol", port.protocol, PROTOCOLS))
    return errors


def _validate_addresses(addresses: Iterable[EndpointAddress], at: str) -> list[FieldError]:
    errors: list[FieldError] = []
    for index, address in enumerate(addresses):
        field = f"{at}[{index}]"
        problems = formats.reachable_ip(address.ip)
        errors += [bad_value(f"{field}.ip", address.ip, text) for text in problems]
        if address.hostname:
            problems = formats.dns_label(address.hostname)
            errors += [bad_value(f"{field}.hostname", address.hostname, p) for p in problems]
    return errors


def validate_endpoint_slice(endpoint_slice: EndpointSlice) -> list[FieldError]:
    errors: list[FieldError] = []
    kind = endpoint_slice.address_type
    if not kind:
        errors.append(required("addressType"))
    elif kind not in _ADDRESS_TYPES:
        errors.append(unsupported("addressType", kind, _ADDRESS_TYPES))
    count = len(endpoint_slice.endpoints)
    if count > _ENDPOINTS_MAX:
        return [*errors, too_many("endpoints", count, _ENDPOINTS_MAX)]
    for index, endpoint in enumerate(endpoint_slice.endpoints):
        at = f"endpoints[{index}]"
        if not endpoint.addresses:
            errors.append(required(f"{at}.addresses", "must contain at least 1 address"))
        elif len(endpoint.addresses) > _ADDRESSES_MAX:
            found = len(endpoint.addresses)
            errors.append(too_many(f"{at}.addresses", found, _ADDRESSES_MAX))
        for number, address in enumerate(endpoint.addresses):
            field = f"{at}.addresses[{number}]"
            errors += [bad_value(field, address, text) for text in _address(address, kind)]
        if endpoint.hostname:
            problems = formats.dns_label(endpoint.hostname)
            errors += [bad_value(f"{at}.hostname", endpoint.hostname, p) for p in problems]
    return errors + _validate_slice_ports(endpoint_slice)


def _address(address: str, kind: str) -> list[str]:
    if kind == "FQDN":
        return formats.dns_subdomain(address)
    parsed = formats.parse_ip(address)
    if parsed is None or f"IPv{parsed.version}" != kind:
        example = "10.9.8.7" if kind == "IPv4" else "2001:db8::ffff"
        return [f"must be a valid {kind} address, (e.g. {example})"]
    return formats.reachable_ip(address)


def _validate_slice_ports(endpoint_slice: EndpointSlice) -> list[FieldError]:
    errors: list[FieldError] = []
    ports = endpoint_slice.ports
    if len(ports) > _PORTS_MAX:
        return [too_many("ports", len(ports), _PORTS_MAX)]
    names: set[str] = set()
    for index, port in enumerate(ports):
        at = f"ports[{index}]"
        name = port.name or ""
        if name:
            errors += [bad_value(f"{at}.name", name, text) for text in formats.dns_label(name)]
        if name in names:
            errors.append(duplicate(f"{at}.name", name))
        names.add(name)
        if port.protocol not in PROTOCOLS:
            errors.append(unsupported(f"{at}.protocol", port.protocol, PROTOCOLS))
        if port.port is not None:
            problems = formats.port_number(port.port)
            errors += [bad_value(f"{at}.port", port.port, text) for text in problems]
    return errors


def validate_endpoint_slice_update(new: EndpointSlice, old: EndpointSlice) -> list[FieldError]:
    if new.address_type == old.address_type:
        return []
    return [bad_value("addressType", new.address_type, formats.IMMUTABLE)]
