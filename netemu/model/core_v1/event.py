"""core/v1: events, which tell people what happened."""

from typing import Annotated

from netemu.model.core_v1.references import ObjectReference
from netemu.model.schema import ApiObject
from netemu.model.wire import ApiStruct, MicroTime, Time, always


class EventSource(ApiStruct):
    component: Annotated[str, 1] = ""
    host: Annotated[str, 2] = ""


class EventSeries(ApiStruct):
    count: Annotated[int, 1] = 0
    last_observed_time: Annotated[MicroTime, 2] = MicroTime("")


class Event(ApiObject):
    API_VERSION, KIND = "v1", "Event"

    involved_object: Annotated[ObjectReference, 2] = always(ObjectReference)
    reason: Annotated[str, 3] = ""
    message: Annotated[str, 4] = ""
    source: Annotated[EventSource, 5] = always(EventSource)
    first_timestamp: Annotated[Time, 6] = Time("")
    last_timestamp: Annotated[Time, 7] = Time("")
    count: Annotated[int, 8] = 0
    type: Annotated[str, 9] = ""
    event_time: Annotated[MicroTime, 10] = MicroTime("")
    series: Annotated[EventSeries | None, 11] = None
    action: Annotated[str, 12] = ""
    related: Annotated[ObjectReference | None, 13] = None
    reporting_component: Annotated[str, 14] = always(str)
    reporting_instance: Annotated[str, 15] = always(str)
