"""How an object is found: its namespace and its name."""

from __future__ import annotations

from typing import NamedTuple

from netemu.model.schema import ApiObject


class ObjectKey(NamedTuple):
    """Orders as lists do: by namespace, then by name. Cluster-wide objects have no namespace."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}" if self.namespace else self.name


def key_of(obj: ApiObject) -> ObjectKey:
    return ObjectKey(obj.metadata.namespace, obj.metadata.name)
