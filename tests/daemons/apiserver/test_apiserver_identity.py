"""Who asks is known by certificate or token; who is not known is told so."""

from __future__ import annotations

import ssl
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import jwt
import pytest

from netemu.client.https import HttpsClient
from netemu.client.kubeconfig import ApiAccess
from netemu.daemons.apiserver.identity import TokenIssuer
from netemu.errors import ApiError
from netemu.host.pki import create_pki, load_or_create_pki
from netemu.model.authentication_v1 import (
    BoundObjectReference,
    SelfSubjectReview,
    TokenRequest,
    TokenRequestSpec,
)
from netemu.model.core_v1 import Container, Namespace, Pod, PodSpec, ServiceAccount
from netemu.model.meta_v1 import ObjectMeta


async def who(access: ApiAccess) -> tuple[str, list[str]]:
    client = HttpsClient(access)
    try:
        review = await client.create(SelfSubjectReview())
    finally:
        await client.close()
    return review.status.user_info.username, review.status.user_info.groups


def nobody(served) -> ApiAccess:
    return ApiAccess(server=served.access.server, ca_pem=served.access.ca_pem)


async def test_certificate_names_user_and_groups(served):
    """A certificate's CN is the user, each O a group."""
    assert await who(served.access) == (
        "kubernetes-admin",
        ["system:masters", "system:authenticated"],
    )


async def test_administrators_token(served):
    """The bootstrap token is the administrator's."""
    user, groups = await who(replace(nobody(served), token=served.pki.admin_token))
    assert user == "kubernetes-admin"
    assert "system:masters" in groups


async def test_strangers_get_401(served):
    """No credentials, a wrong token, and another CA's certificate are each a 401."""
    other = create_pki("test").issue_client("kubernetes-admin", groups=["system:masters"])
    strangers = [
        nobody(served),
        replace(nobody(served), token="wrong"),
        replace(nobody(served), certificate_pem=other.certificate_pem, key_pem=other.key_pem),
    ]
    for access in strangers:
        with pytest.raises(ApiError) as caught:
            await who(access)
        assert (caught.value.code, caught.value.reason) == (401, "Unauthorized")


async def test_serving_certificate_does_not_open_the_door(served):
    """A certificate for servers is none for clients."""
    pair = served.pki.issue_serving(names=["localhost"], addresses=[])
    with pytest.raises(ApiError) as caught:
        await who(
            replace(nobody(served), certificate_pem=pair.certificate_pem, key_pem=pair.key_pem)
        )
    # Node.js and Go clients send it, OpenSSL may decline to: a 401 in both cases.
    assert caught.value.code == 401


async def test_client_that_trusts_another_ca_refuses_the_server(served):
    """The server's certificate is checked by its clients."""
    with pytest.raises(ApiError, match="cannot be reached") as caught:
        await who(replace(served.access, ca_pem=create_pki("other").ca_pem))
    assert caught.value.code == 503


async def test_server_is_known_by_all_its_names(served):
    """The serving certificate holds for the Service's names and addresses."""
    url = served.access.server.replace("127.0.0.1", "localhost")
    context = ssl.create_default_context(cadata=served.pki.ca_pem.decode())
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context)) as session:
        async with session.get(url + "/healthz") as reply:
            assert reply.status == 200
        for name in ("kubernetes.default.svc.cluster.local", "kubernetes.default", "10.96.0.1"):
            async with session.get(url + "/healthz", server_hostname=name) as reply:
                assert reply.status == 200


async def bound_token(served) -> str:
    spec = PodSpec(containers=[Container(name="c", image="nginx")])
    await served.client.create(Pod(metadata=ObjectMeta(name="one", namespace="default"), spec=spec))
    request = TokenRequest(
        spec=TokenRequestSpec(bound_object_ref=BoundObjectReference(kind="Pod", name="one"))
    )
    answer = await served.client.create_token("default", "default", request)
    return answer.status.token


async def test_service_accounts_token(served):
    """A Pod's token is its service account's, for as long as the Pod lives."""
    token = await bound_token(served)
    claims = jwt.decode(token, options={"verify_signature": False})
    assert claims["sub"] == "system:serviceaccount:default:default"
    assert claims["kubernetes.io"]["pod"]["name"] == "one"
    access = replace(nobody(served), token=token)
    user, groups = await who(access)
    assert user == "system:serviceaccount:default:default"
    assert groups == [
        "system:serviceaccounts",
        "system:serviceaccounts:default",
        "system:authenticated",
    ]
    await served.client.delete(Pod, "one", "default")
    with pytest.raises(ApiError) as caught:
        await who(access)
    assert caught.value.code == 401


async def test_token_of_a_deleted_account_is_worthless(served):
    """An account of the same name that comes later is another one."""
    answer = await served.client.create_token("default", "default", TokenRequest())
    access = replace(nobody(served), token=answer.status.token)
    await who(access)
    await served.client.delete(ServiceAccount, "default", "default")
    account = ServiceAccount(metadata=ObjectMeta(name="default", namespace="default"))
    await served.client.create(account)
    with pytest.raises(ApiError) as caught:
        await who(access)
    assert caught.value.code == 401


async def test_token_for_another_audience(served):
    """A token for somebody else does not open this door."""
    request = TokenRequest(spec=TokenRequestSpec(audiences=["vault"]))
    answer = await served.client.create_token("default", "default", request)
    with pytest.raises(ApiError) as caught:
        await who(replace(nobody(served), token=answer.status.token))
    assert caught.value.code == 401


async def test_tokens_expire(served):
    """A token is good until its time, by the server's clock."""
    now = datetime.now(UTC)
    clock = [now]
    issuer = TokenIssuer(
        pki=served.pki, issuer="test", lookup=served.api.registry, clock=lambda: clock[0]
    )
    account = await served.client.get(ServiceAccount, "default", "default")
    token, expires = issuer.issue(
        account, audiences=[], lifetime=timedelta(minutes=10), bound_to=None
    )
    assert issuer.user(token) is not None
    clock[0] = expires + timedelta(seconds=1)
    assert issuer.user(token) is None


async def test_too_short_a_token_is_refused(served):
    """Ten minutes is the least; a Pod must run under the account that the token is for."""
    request = TokenRequest(spec=TokenRequestSpec(expiration_seconds=60))
    with pytest.raises(ApiError) as caught:
        await served.client.create_token("default", "default", request)
    assert caught.value.code == 422
    assert caught.value.message.startswith('TokenRequest.authentication.k8s.io "" is invalid: ')
    request = TokenRequest(
        spec=TokenRequestSpec(bound_object_ref=BoundObjectReference(kind="Pod", name="none"))
    )
    with pytest.raises(ApiError) as caught:
        await served.client.create_token("default", "default", request)
    assert caught.value.not_found


async def test_signing_keys_are_published(served):
    """Others can verify our tokens with the published key."""
    answer = await served.client.create_token("default", "default", TokenRequest())
    async with served.http.get("/openid/v1/jwks") as reply:
        (key,) = (await reply.json())["keys"]
    assert jwt.get_unverified_header(answer.status.token)["kid"] == key["kid"]
    public = jwt.PyJWK(key).key
    async with served.http.get("/.well-known/openid-configuration") as reply:
        issuer = (await reply.json())["issuer"]
    claims = jwt.decode(answer.status.token, public, ["ES256"], audience=issuer, issuer=issuer)
    assert claims["sub"] == "system:serviceaccount:default:default"


async def test_token_review(served):
    """A TokenReview says whose a token is."""
    from netemu.model.authentication_v1 import TokenReview, TokenReviewSpec

    client = HttpsClient(served.access)
    answer = await client.create_token("default", "default", TokenRequest())
    for token, good in ((answer.status.token, True), ("nonsense", False)):
        review = await client.create(TokenReview(spec=TokenReviewSpec(token=token)))
        assert review.status.authenticated is good
    await client.close()


async def test_in_cluster_token_file_is_read_anew(served, tmp_path: Path):
    """A client in a Pod uses the token that is in the file at the time."""
    file = tmp_path / "token"
    file.write_text("old")
    client = HttpsClient(replace(nobody(served), token_file=str(file)))
    with pytest.raises(ApiError):
        await client.get(Namespace, "default")
    answer = await served.client.create_token("default", "default", TokenRequest())
    file.write_text(answer.status.token)
    assert (await client.get(Namespace, "default")).metadata.name == "default"
    await client.close()


def test_keys_are_kept(tmp_path: Path):
    """Keys are made once, readable by their owner only, and found again."""
    first = load_or_create_pki(tmp_path / "pki", "test")
    second = load_or_create_pki(tmp_path / "pki", "test")
    assert second.ca_pem == first.ca_pem
    assert second.admin_token == first.admin_token
    assert second.signing_key_id == first.signing_key_id
    modes = {path.stat().st_mode & 0o777 for path in (tmp_path / "pki").iterdir()}
    assert modes == {0o600}
    assert (tmp_path / "pki").stat().st_mode & 0o777 == 0o700


async def ask_as(served, **headers: str) -> tuple[int, dict]:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    path = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
    async with served.http.post(path, json={}, headers=names) as reply:
        return reply.status, await reply.json()


async def test_administrators_may_ask_as_somebody_else(served):
    """`kubectl --as`: the user, groups, uid and extra of the headers, and no others."""
    code, review = await ask_as(
        served,
        Impersonate_User="bob",
        Impersonate_Group="developers",
        Impersonate_Uid="7",
        Impersonate_Extra_example_org_2fteam="blue",
    )
    assert (code, review["status"]["userInfo"]) == (
        201,
        {
            "username": "bob",
            "uid": "7",
            "groups": ["developers", "system:authenticated"],
            "extra": {"example-org-2fteam": ["blue"]},
        },
    )
    _, review = await ask_as(served, Impersonate_User="system:serviceaccount:a:b")
    assert review["status"]["userInfo"]["groups"] == [
        "system:serviceaccounts",
        "system:serviceaccounts:a",
        "system:authenticated",
    ]


async def test_others_may_not(served):
    """And half an impersonation is none."""
    bob = {"Impersonate_User": "bob", "Authorization": ""}
    token = await served.client.create_token("default", "default", TokenRequest())
    bob["Authorization"] = f"Bearer {token.status.token}"
    code, status = await ask_as(served, **bob)
    assert (code, status["reason"]) == (403, "Forbidden")
    assert 'cannot impersonate resource "users"' in status["message"]
    assert (await ask_as(served, Impersonate_Group="developers"))[0] == 500


@pytest.mark.parametrize(
    ("plural", "answer"),
    [
        ("selfsubjectaccessreviews", {"allowed": True}),
        ("subjectaccessreviews", {"allowed": True}),
        (
            "selfsubjectrulesreviews",
            {
                "resourceRules": [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}],
                "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}],
                "incomplete": False,
            },
        ),
    ],
)
async def test_whoever_is_known_may_do_everything(served, plural: str, answer: dict):
    """There is no RBAC, and whoever asks is told so."""
    path = f"/apis/authorization.k8s.io/v1/{plural}"
    async with served.http.post(path, json={"spec": {}}) as reply:
        assert (reply.status, (await reply.json())["status"]) == (201, answer)
