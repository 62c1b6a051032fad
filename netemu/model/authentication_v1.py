"""authentication.k8s.io/v1: tokens asked for and examined, and who one is."""

from typing import Annotated

from netemu.model.schema import ApiObject
from netemu.model.wire import JSON_ONLY, ApiStruct, Time, always, always_list


class BoundObjectReference(ApiStruct):
    kind: Annotated[str, 1] = ""
    api_version: Annotated[str, 2] = ""
    name: Annotated[str, 3] = ""
    uid: Annotated[str, 4] = ""


class TokenRequestSpec(ApiStruct):
    audiences: Annotated[list[str], 1] = always_list()
    expiration_seconds: Annotated[int | None, 4] = None
    bound_object_ref: Annotated[BoundObjectReference | None, 3] = None
    attestations: Annotated[dict[str, list[str]], JSON_ONLY] = {}


class TokenRequestStatus(ApiStruct):
    token: Annotated[str, 1] = always(str)
    expiration_timestamp: Annotated[Time, 2] = Time("")


class TokenRequest(ApiObject):
    API_VERSION, KIND = "authentication.k8s.io/v1", "TokenRequest"

    spec: Annotated[TokenRequestSpec, 2] = always(TokenRequestSpec)
    status: Annotated[TokenRequestStatus, 3] = always(TokenRequestStatus)


class TokenReviewSpec(ApiStruct):
    token: Annotated[str, 1] = ""
    audiences: Annotated[list[str], 2] = []


class UserInfo(ApiStruct):
    username: Annotated[str, 1] = ""
    uid: Annotated[str, 2] = ""
    groups: Annotated[list[str], 3] = []
    extra: Annotated[dict[str, list[str]], 4] = {}


class TokenReviewStatus(ApiStruct):
    authenticated: Annotated[bool, 1] = False
    user: Annotated[UserInfo, 2] = always(UserInfo)
    audiences: Annotated[list[str], 4] = []
    error: Annotated[str, 3] = ""


class TokenReview(ApiObject):
    API_VERSION, KIND = "authentication.k8s.io/v1", "TokenReview"

    spec: Annotated[TokenReviewSpec, 2] = always(TokenReviewSpec)
    status: Annotated[TokenReviewStatus, 3] = always(TokenReviewStatus)


class SelfSubjectReviewStatus(ApiStruct):
    user_info: Annotated[UserInfo, 1] = always(UserInfo)


class SelfSubjectReview(ApiObject):
    API_VERSION, KIND = "authentication.k8s.io/v1", "SelfSubjectReview"

    status: Annotated[SelfSubjectReviewStatus, 2] = always(SelfSubjectReviewStatus)
