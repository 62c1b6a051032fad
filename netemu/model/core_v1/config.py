"""core/v1: what Pods are configured with: ConfigMaps, Secrets, ServiceAccounts."""

from typing import Annotated

from netemu.model.core_v1.references import LocalObjectReference, ObjectReference
from netemu.model.schema import ApiObject
from netemu.model.wire import Base64, merge_by


class ConfigMap(ApiObject):
    API_VERSION, KIND = "v1", "ConfigMap"

    immutable: Annotated[bool | None, 4] = None
    data: Annotated[dict[str, str], 2] = {}
    binary_data: Annotated[dict[str, Base64], 3] = {}


class Secret(ApiObject):
    API_VERSION, KIND = "v1", "Secret"

    immutable: Annotated[bool | None, 5] = None
    data: Annotated[dict[str, Base64], 2] = {}
    string_data: Annotated[dict[str, str], 4] = {}
    type: Annotated[str, 3] = ""


class ServiceAccount(ApiObject):
    API_VERSION, KIND = "v1", "ServiceAccount"

    secrets: Annotated[list[ObjectReference], 2, merge_by("name")] = []
    image_pull_secrets: Annotated[list[LocalObjectReference], 3] = []
    automount_service_account_token: Annotated[bool | None, 4] = None
