"""events.k8s.io/v1: the same events as core/v1, told in newer words."""

from typing import Annotated

from netemu.model.core_v1.event import EventSource
from netemu.model.core_v1.references import ObjectReference
from netemu.model.schema import ApiObject
from netemu.model.wire import ApiStruct, MicroTime, Time, always


class EventSeries(ApiStruct):
    count: Annotated[int, 1] = always(int)
    last_observed_time: Annotated[MicroTime, 2] = MicroTime("")


class Event(ApiObject):
    API_VERSION, KIND = "events.k8s.io/v1", "Event"

    event_time: Annotated[MicroTime, 2] = MicroTime("")
    series: Annotated[EventSeries | None, 3] = None
    reporting_controller: Annotated[str, 4] = ""
    reporting_instance: Annotated[str, 5] = ""
    action: Annotated[str, 6] = ""
    reason: Annotated[str, 7] = ""
    regarding: Annotated[ObjectReference, 8] = always(ObjectReference)
    related: Annotated[ObjectReference | None, 9] = None
    note: Annotated[str, 10] = ""
    type: Annotated[str, 11] = ""
    deprecated_source: Annotated[EventSource, 12] = always(EventSource)
    deprecated_first_timestamp: Annotated[Time, 13] = Time("")
    deprecated_last_timestamp: Annotated[Time, 14] = Time("")
    deprecated_count: Annotated[int, 15] = 0
