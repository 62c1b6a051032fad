"""Who is asking: client certificates, the administrator's token, service accounts' tokens.

A service account's token is a signed JWT. It is good as long as its signature, its time
and its audience are, and as long as the account, and the Pod that it was issued to, are
still the same objects (by uid) in the cluster.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeVar

import jwt

from netemu.errors import ApiError
from netemu.host.pki import ClusterPki
from netemu.model.authentication_v1 import BoundObjectReference, UserInfo
from netemu.model.core_v1 import Pod, ServiceAccount
from netemu.model.schema import ApiObject

T = TypeVar("T", bound=ApiObject)

AUTHENTICATED = "system:authenticated"
MASTERS = "system:masters"
ADMIN = UserInfo(username="kubernetes-admin", groups=[MASTERS, AUTHENTICATED])
_ACCOUNTS = "system:serviceaccounts"
_PRIVATE_CLAIM = "kubernetes.io"
_ALGORITHM = "ES256"
_CACHED = 2048


class Lookup(Protocol):
    """A read of what is in the cluster right now."""

    def get(self, kind: type[T], name: str, namespace: str = "") -> T | None: ...


class TokenIssuer:
    """Signs service accounts' tokens and recognises them."""

    def __init__(
        self, *, pki: ClusterPki, issuer: str, lookup: Lookup, clock: Callable[[], datetime]
    ) -> None:
        self.issuer = issuer
        self._key = pki.signing_key
        self._public_key = pki.signing_key.public_key()
        self._key_id = pki.signing_key_id
        self._lookup = lookup
        self._clock = clock
        self._verified: dict[str, dict[str, Any]] = {}

    def issue(
        self,
        account: ServiceAccount,
        *,
        audiences: Sequence[str],
        lifetime: timedelta,
        bound_to: BoundObjectReference | None,
        node: str = "",
    ) -> tuple[str, datetime]:
        """Return a token and when it expires."""
        meta, now = account.metadata, self._clock()
        expires = now + lifetime
        private: dict[str, Any] = {
            "namespace": meta.namespace,
            "serviceaccount": {"name": meta.name, "uid": meta.uid},
        }
        if bound_to is not None:
            private[bound_to.kind.lower()] = {"name": bound_to.name, "uid": bound_to.uid}
        if node:
            private["node"] = {"name": node}
        claims = {
            "iss": self.issuer,
            "sub": f"system:serviceaccount:{meta.namespace}:{meta.name}",
            "aud": list(audiences) or [self.issuer],
            "iat": int(now.timestamp()),
            "nbf": int(now.timestamp()),
            "exp": int(expires.timestamp()),
            "jti": secrets.token_hex(16),
            _PRIVATE_CLAIM: private,
        }
        headers = {"kid": self._key_id}
        return jwt.encode(claims, self._key, _ALGORITHM, headers=headers), expires

    def user(self, token: str, audiences: Sequence[str] = ()) -> UserInfo | None:
        """Return whose token this is, or None if it is nobody's any more."""
        claims = self._claims(token)
        if claims is None or claims["exp"] <= self._clock().timestamp():
            return None
        accepted = list(audiences) or [self.issuer]
        if not any(audience in accepted for audience in claims["aud"]):
            return None
        return self._living(claims[_PRIVATE_CLAIM])

    def jwks(self) -> dict[str, Any]:
        """Return the public key as `/openid/v1/jwks` serves it."""
        from jwt.algorithms import ECAlgorithm

        key = ECAlgorithm.to_jwk(self._public_key, as_dict=True)
        return {"keys": [{"use": "sig", "alg": _ALGORITHM, "kid": self._key_id, **key}]}

    def openid_configuration(self) -> dict[str, Any]:
        return {
            "issuer": self.issuer,
            "jwks_uri": f"{self.issuer}/openid/v1/jwks",
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": [_ALGORITHM],
        }

    def _claims(self, token: str) -> dict[str, Any] | None:
        known = self._verified.get(token)
        if known is not None:
            return known
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                self._public_key,
                [_ALGORITHM],
                issuer=self.issuer,
                # The audience is compared for each request, the time against our clock.
                options={
                    "verify_aud": False,
                    "verify_exp": False,
                    "verify_iat": False,
                    "verify_nbf": False,
                    "require": ["exp", "aud", "sub"],
                },
            )
        except jwt.PyJWTError:
            return None
        if len(self._verified) >= _CACHED:
            self._verified.clear()
        self._verified[token] = claims
        return claims

    def _living(self, private: dict[str, Any]) -> UserInfo | None:
        namespace, named = private["namespace"], private["serviceaccount"]
        account = self._lookup.get(ServiceAccount, named["name"], namespace)
        if account is None or account.metadata.uid != named["uid"]:
            return None
        extra = {}
        if "pod" in private:
            pod = self._lookup.get(Pod, private["pod"]["name"], namespace)
            if pod is None or pod.metadata.uid != private["pod"]["uid"]:
                return None
            extra["authentication.kubernetes.io/pod-name"] = [pod.metadata.name]
            extra["authentication.kubernetes.io/pod-uid"] = [pod.metadata.uid]
        return UserInfo(
            username=f"system:serviceaccount:{namespace}:{named['name']}",
            uid=named["uid"],
            groups=[_ACCOUNTS, f"{_ACCOUNTS}:{namespace}", AUTHENTICATED],
            extra=extra,
        )


class Authenticator:
    """Turns credentials into a user, or says that they are none."""

    def __init__(
        self, *, pki: ClusterPki, tokens: TokenIssuer, clock: Callable[[], datetime]
    ) -> None:
        self._pki = pki
        self._tokens = tokens
        self._clock = clock
        self._certificates: dict[bytes, tuple[UserInfo, datetime]] = {}

    def user(self, *, certificate_der: bytes | None, authorization: str) -> UserInfo:
        """Return who asks; ApiError 401 for credentials that are missing or no good."""
        found = self._by_certificate(certificate_der) if certificate_der else None
        if found is None and authorization:
            found = self._by_token(authorization)
        if found is None:
            raise ApiError(401, "Unauthorized", "Unauthorized")
        return found

    def _by_certificate(self, der: bytes) -> UserInfo | None:
        known = self._certificates.get(der)
        if known is not None and self._clock() < known[1]:
            return known[0]
        peer = self._pki.verify_client(der, now=self._clock())
        if peer is None:
            return None
        if len(self._certificates) >= _CACHED:
            self._certificates.clear()
        user = UserInfo(username=peer.user, groups=[*peer.groups, AUTHENTICATED])
        self._certificates[der] = user, peer.expires
        return user

    def _by_token(self, authorization: str) -> UserInfo | None:
        scheme, _, token = authorization.partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token or not token.isascii():
            return None
        if hmac.compare_digest(token.encode(), self._pki.admin_token.encode()):
            return ADMIN
        return self._tokens.user(token)
