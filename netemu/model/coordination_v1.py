"""coordination.k8s.io/v1: Leases, by which one says that one lives or leads."""

from typing import Annotated

from netemu.model.schema import ApiObject
from netemu.model.wire import ApiStruct, MicroTime, always


class LeaseSpec(ApiStruct):
    holder_identity: Annotated[str | None, 1] = None
    lease_duration_seconds: Annotated[int | None, 2] = None
    acquire_time: Annotated[MicroTime | None, 3] = None
    renew_time: Annotated[MicroTime | None, 4] = None
    lease_transitions: Annotated[int | None, 5] = None
    strategy: Annotated[str | None, 6] = None
    preferred_holder: Annotated[str | None, 7] = None


class Lease(ApiObject):
    API_VERSION, KIND = "coordination.k8s.io/v1", "Lease"

    spec: Annotated[LeaseSpec, 2] = always(LeaseSpec)
