"""Objects of any type, made of its fields: what property tests feed on."""

import string
import types
from base64 import b64encode
from datetime import UTC, datetime
from typing import Any, Union, get_args, get_origin

from hypothesis import strategies as st

from netemu.model.clock import format_micro_time, format_time
from netemu.model.quantity import canonical
from netemu.model.wire import (
    JSON_ONLY,
    ApiStruct,
    Base64,
    FieldsV1,
    IntOrString,
    MicroTime,
    Quantity,
    Time,
    fields_of,
)

WORDS = st.text(string.ascii_letters + string.digits + "-./ äß☃", max_size=12)
TIMES = st.datetimes(datetime(1971, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
SCALARS: dict[Any, st.SearchStrategy[Any]] = {
    str: WORDS,
    int: st.integers(-(2**31), 2**31 - 1),
    bool: st.booleans(),
    Base64: st.binary(max_size=12).map(lambda data: b64encode(data).decode()),
    Quantity: st.integers(0, 10**6).map(lambda n: canonical(f"{n}m")),
    Time: TIMES.map(format_time),
    MicroTime: TIMES.map(format_micro_time),
    IntOrString: st.integers(-5, 70000) | WORDS,
    FieldsV1: st.just({"f:metadata": {"f:labels": {}}}),
}


@st.composite
def objects(
    draw: st.DrawFn, kind: type[ApiStruct], depth: int = 7, *, protobuf: bool = False
) -> Any:
    """An object with some fields set; quantities always, as protobuf knows no unset one."""
    values = {}
    for info in fields_of(kind):
        if protobuf and info.number == JSON_ONLY:
            continue
        if info.type is Quantity or draw(st.integers(0, 3)) == 3:
            values[info.attribute] = _value(draw, info.type, depth - 1, protobuf)
    return kind(**{name: value for name, value in values.items() if value is not ...})


def _value(draw: st.DrawFn, hint: Any, depth: int, protobuf: bool) -> Any:
    if hint in SCALARS:
        return draw(SCALARS[hint])
    origin, members = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        inner = [member for member in members if member is not type(None)]
        return _value(draw, inner[0] if len(inner) == 1 else IntOrString, depth, protobuf)
    if origin is list:
        item = _value(draw, members[0], depth, protobuf)
        return [] if item is ... else [item]
    if origin is dict:
        item = _value(draw, members[1], depth, protobuf)
        return {} if item is ... else {draw(WORDS): item}
    return ... if depth <= 0 else draw(objects(hint, depth, protobuf=protobuf))
