"""core/v1: how one object points at another, at a field of it, or at a key in it."""

from typing import Annotated

from netemu.model.wire import JSON_ONLY, ApiStruct, Quantity, always


class ObjectReference(ApiStruct):
    kind: Annotated[str, 1] = ""
    namespace: Annotated[str, 2] = ""
    name: Annotated[str, 3] = ""
    uid: Annotated[str, 4] = ""
    api_version: Annotated[str, 5] = ""
    resource_version: Annotated[str, 6] = ""
    field_path: Annotated[str, 7] = ""


class LocalObjectReference(ApiStruct):
    name: Annotated[str, 1] = ""


class TypedLocalObjectReference(ApiStruct):
    api_group: Annotated[str | None, 1] = None
    kind: Annotated[str, 2] = always(str)
    name: Annotated[str, 3] = always(str)


class TypedObjectReference(ApiStruct):
    api_group: Annotated[str | None, 1] = None
    kind: Annotated[str, 2] = always(str)
    name: Annotated[str, 3] = always(str)
    namespace: Annotated[str | None, 4] = None


class ObjectFieldSelector(ApiStruct):
    api_version: Annotated[str, 1] = ""
    field_path: Annotated[str, 2] = always(str)


class ResourceFieldSelector(ApiStruct):
    container_name: Annotated[str, 1] = ""
    resource: Annotated[str, 2] = always(str)
    divisor: Annotated[Quantity, 3] = Quantity("")


class ConfigMapKeySelector(LocalObjectReference):
    INLINE = 1

    key: Annotated[str, 2] = always(str)
    optional: Annotated[bool | None, 3] = None


class SecretKeySelector(LocalObjectReference):
    INLINE = 1

    key: Annotated[str, 2] = always(str)
    optional: Annotated[bool | None, 3] = None


class FileKeySelector(ApiStruct):
    volume_name: Annotated[str, 1] = always(str)
    path: Annotated[str, 2] = always(str)
    key: Annotated[str, 3] = always(str)
    optional: Annotated[bool | None, 4] = None


class KeyToPath(ApiStruct):
    key: Annotated[str, 1] = always(str)
    path: Annotated[str, 2] = always(str)
    mode: Annotated[int | None, 3] = None
    user: Annotated[int | None, JSON_ONLY] = None
