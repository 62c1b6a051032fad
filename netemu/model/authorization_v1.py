"""authorization.k8s.io/v1: whether one may."""

from typing import Annotated

from netemu.model.meta_v1 import LabelSelectorRequirement
from netemu.model.schema import ApiObject
from netemu.model.wire import ApiStruct, always, always_list


class FieldSelectorRequirement(ApiStruct):
    key: Annotated[str, 1] = always(str)
    operator: Annotated[str, 2] = always(str)
    values: Annotated[list[str], 3] = []


class FieldSelectorAttributes(ApiStruct):
    raw_selector: Annotated[str, 1] = ""
    requirements: Annotated[list[FieldSelectorRequirement], 2] = []


class LabelSelectorAttributes(ApiStruct):
    raw_selector: Annotated[str, 1] = ""
    requirements: Annotated[list[LabelSelectorRequirement], 2] = []


class ResourceAttributes(ApiStruct):
    namespace: Annotated[str, 1] = ""
    verb: Annotated[str, 2] = ""
    group: Annotated[str, 3] = ""
    version: Annotated[str, 4] = ""
    resource: Annotated[str, 5] = ""
    subresource: Annotated[str, 6] = ""
    name: Annotated[str, 7] = ""
    field_selector: Annotated[FieldSelectorAttributes | None, 8] = None
    label_selector: Annotated[LabelSelectorAttributes | None, 9] = None


class NonResourceAttributes(ApiStruct):
    path: Annotated[str, 1] = ""
    verb: Annotated[str, 2] = ""


class SelfSubjectAccessReviewSpec(ApiStruct):
    resource_attributes: Annotated[ResourceAttributes | None, 1] = None
    non_resource_attributes: Annotated[NonResourceAttributes | None, 2] = None


class SubjectAccessReviewStatus(ApiStruct):
    allowed: Annotated[bool, 1] = always(bool)
    denied: Annotated[bool, 4] = False
    reason: Annotated[str, 2] = ""
    evaluation_error: Annotated[str, 3] = ""


class SelfSubjectAccessReview(ApiObject):
    API_VERSION, KIND = "authorization.k8s.io/v1", "SelfSubjectAccessReview"

    spec: Annotated[SelfSubjectAccessReviewSpec, 2] = always(SelfSubjectAccessReviewSpec)
    status: Annotated[SubjectAccessReviewStatus, 3] = always(SubjectAccessReviewStatus)


class SubjectAccessReviewSpec(ApiStruct):
    resource_attributes: Annotated[ResourceAttributes | None, 1] = None
    non_resource_attributes: Annotated[NonResourceAttributes | None, 2] = None
    user: Annotated[str, 3] = ""
    groups: Annotated[list[str], 4] = []
    extra: Annotated[dict[str, list[str]], 5] = {}
    uid: Annotated[str, 6] = ""


class SubjectAccessReview(ApiObject):
    API_VERSION, KIND = "authorization.k8s.io/v1", "SubjectAccessReview"

    spec: Annotated[SubjectAccessReviewSpec, 2] = always(SubjectAccessReviewSpec)
    status: Annotated[SubjectAccessReviewStatus, 3] = always(SubjectAccessReviewStatus)


class ResourceRule(ApiStruct):
    verbs: Annotated[list[str], 1] = always_list()
    api_groups: Annotated[list[str], 2] = []
    resources: Annotated[list[str], 3] = []
    resource_names: Annotated[list[str], 4] = []


class NonResourceRule(ApiStruct):
    verbs: Annotated[list[str], 1] = always_list()
    non_resource_urls: Annotated[list[str], 2] = []


class SelfSubjectRulesReviewSpec(ApiStruct):
    namespace: Annotated[str, 1] = ""


class SubjectRulesReviewStatus(ApiStruct):
    resource_rules: Annotated[list[ResourceRule], 1] = always_list()
    non_resource_rules: Annotated[list[NonResourceRule], 2] = always_list()
    incomplete: Annotated[bool, 3] = always(bool)
    evaluation_error: Annotated[str, 4] = ""


class SelfSubjectRulesReview(ApiObject):
    API_VERSION, KIND = "authorization.k8s.io/v1", "SelfSubjectRulesReview"

    spec: Annotated[SelfSubjectRulesReviewSpec, 2] = always(SelfSubjectRulesReviewSpec)
    status: Annotated[SubjectRulesReviewStatus, 3] = always(SubjectRulesReviewStatus)
