"""Reviews: questions that are asked by creating an object which is never stored."""

from __future__ import annotations

from aiohttp import web

from netemu.daemons.apiserver.identity import TokenIssuer
from netemu.daemons.apiserver.options import write_options
from netemu.daemons.apiserver.paths import Target
from netemu.daemons.apiserver.replies import json_reply
from netemu.daemons.apiserver.writes import read_body
from netemu.model import codec
from netemu.model.authentication_v1 import (
    SelfSubjectReview,
    TokenReview,
    TokenReviewStatus,
    UserInfo,
)
from netemu.model.authorization_v1 import (
    NonResourceRule,
    ResourceRule,
    SelfSubjectAccessReview,
    SelfSubjectRulesReview,
    SubjectAccessReview,
    SubjectAccessReviewStatus,
    SubjectRulesReviewStatus,
)
from netemu.model.schema import ApiObject


class Reviews:
    """Answers who somebody is and what they may do."""

    def __init__(self, *, tokens: TokenIssuer) -> None:
        self._tokens = tokens

    async def answer(
        self, request: web.BaseRequest, target: Target, user: UserInfo
    ) -> web.Response:
        body = await read_body(request, target.resource.type, write_options(request.query))
        review: ApiObject = body.obj
        match review:
            case SelfSubjectReview():
                review.status.user_info = user
            case SelfSubjectAccessReview() | SubjectAccessReview():
                # There is no RBAC: whoever is known may do everything.
                review.status = SubjectAccessReviewStatus(allowed=True)
            case SelfSubjectRulesReview():
                review.status = _everything()
            case TokenReview():
                review.status = self._review(review)
        return json_reply(codec.encode(review), code=201, warnings=body.warnings)

    def _review(self, review: TokenReview) -> TokenReviewStatus:
        user = self._tokens.user(review.spec.token, review.spec.audiences)
        if user is None:
            return TokenReviewStatus(error="invalid bearer token")
        audiences = review.spec.audiences or [self._tokens.issuer]
        return TokenReviewStatus(authenticated=True, user=user, audiences=audiences)


def _everything() -> SubjectRulesReviewStatus:
    return SubjectRulesReviewStatus(
        resource_rules=[ResourceRule(verbs=["*"], api_groups=["*"], resources=["*"])],
        non_resource_rules=[NonResourceRule(verbs=["*"], non_resource_urls=["*"])],
    )
