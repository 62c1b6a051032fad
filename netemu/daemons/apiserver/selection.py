"""What a list or a watch is about: a namespace, a name, labels, fields.

Where an object is (namespace, name) never changes, what it is like (labels, fields)
does; the two are asked apart, because the first can be answered by a look-up and the
second must be asked again with every write.
"""

from __future__ import annotations

from dataclasses import dataclass

from netemu.core.apiserver.fields import check_labels, field_value
from netemu.model.kinds import Resource
from netemu.model.schema import ApiObject
from netemu.model.selector import (
    EVERYTHING,
    FieldSelector,
    FieldTerm,
    Selector,
    parse_field_selector,
    parse_label_selector,
)

_ALL_FIELDS = FieldSelector()


@dataclass(frozen=True, slots=True)
class Selection:
    """Which objects of one resource are meant; all of them, if nothing is said."""

    namespace: str = ""
    name: str = ""
    labels: Selector = EVERYTHING
    fields: FieldSelector = _ALL_FIELDS
    nothing: bool = False

    @property
    def everything(self) -> bool:
        return not (self.namespace or self.name or self.by_content)

    @property
    def by_content(self) -> bool:
        """It depends on what an object is like, and not only on where it is."""
        return self.nothing or not (self.labels.everything and self.fields.everything)

    def holds_place(self, obj: ApiObject) -> bool:
        meta = obj.metadata
        if self.namespace and meta.namespace != self.namespace:
            return False
        return not self.name or meta.name == self.name

    def holds_content(self, obj: ApiObject) -> bool:
        if self.nothing:
            return False
        return self.labels.matches(obj.metadata.labels) and all(
            (field_value(obj, term.path) == term.value) == term.equal for term in self.fields.terms
        )


def parse_selection(
    resource: Resource, *, namespace: str = "", name: str = "", labels: str = "", fields: str = ""
) -> Selection:
    """Return what the selectors of a request mean; ApiError 400 if they mean nothing."""
    wanted = parse_field_selector(fields)
    check_labels(resource.type, (term.path for term in wanted.terms))
    selection = Selection(namespace, name, parse_label_selector(labels), wanted)
    return _with_place(selection, resource)


def _with_place(selection: Selection, resource: Resource) -> Selection:
    """Turn `metadata.name=x` and `metadata.namespace=y` into a place to look at."""
    namespace, name, nothing = selection.namespace, selection.name, False
    left: list[FieldTerm] = []
    for term in selection.fields.terms:
        if term.equal and term.path == "metadata.namespace" and resource.namespaced:
            nothing |= bool(namespace) and namespace != term.value
            namespace = term.value
        elif term.equal and term.path == "metadata.name":
            nothing |= bool(name) and name != term.value
            name = term.value
        else:
            left.append(term)
    return Selection(namespace, name, selection.labels, FieldSelector(tuple(left)), nothing)
