"""policy/v1: Eviction, a polite way to delete a Pod."""

from typing import Annotated

from netemu.model.meta_v1 import DeleteOptions
from netemu.model.schema import ApiObject


class Eviction(ApiObject):
    API_VERSION, KIND = "policy/v1", "Eviction"

    delete_options: Annotated[DeleteOptions | None, 2] = None
