"""EndpointSlices: the addresses behind a Service, a hundred at a time."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from netemu.core.apiserver.layouts._columns import (
    AGE,
    NAME,
    UNSET,
    Column,
    Layout,
    age_cell,
    first_three,
)
from netemu.model.discovery_v1 import EndpointSlice

_COLUMNS = (
    NAME,
    Column("AddressType", description="The family of the addresses."),
    Column("Ports", description="The ports that every endpoint listens on."),
    Column("Endpoints", description="The endpoints' addresses."),
    AGE,
)


def _cells(endpoint_slice: EndpointSlice, now: datetime) -> list[Any]:
    ports = [str(port.port) if port.port else "*" for port in endpoint_slice.ports]
    addresses = [a for endpoint in endpoint_slice.endpoints for a in endpoint.addresses]
    return [
        endpoint_slice.metadata.name,
        endpoint_slice.address_type,
        first_three(ports) if ports else UNSET,
        first_three(addresses) if addresses else UNSET,
        age_cell(endpoint_slice, now),
    ]


LAYOUT = Layout(_COLUMNS, _cells)
