"""The cluster's keys: its CA, the certificates that it signs, the tokens that it issues.

All of it lies in one directory, mode 0700, and is made once; a daemon that starts again
finds it there, so that kubeconfigs and the tokens in running Pods stay good. The keys
are EC P-256: made in a tenth of a millisecond where RSA takes a tenth of a second, and
accepted by every client. The CA's name has a random part, so that a client holding a
certificate of an earlier cluster can tell that it is not asked for that one.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_CA_DAYS = 3650
_LEAF_DAYS = 365
_BACKDATED = timedelta(hours=1)
"""A virtual machine's clock may lag behind its host's."""


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A certificate and its key, as PEM."""

    certificate_pem: bytes
    key_pem: bytes


@dataclass(frozen=True, slots=True)
class PeerName:
    """Who a client certificate says that it is: CN and every O."""

    user: str
    groups: tuple[str, ...]
    expires: datetime


class ClusterPki:
    """The CA of one cluster, its token-signing key and its administrator's token."""

    def __init__(self, *, ca: KeyPair, signing_key_pem: bytes, admin_token: str) -> None:
        self.ca = ca
        self.admin_token = admin_token
        self.signing_key = _ec_key(signing_key_pem)
        self._ca_key = _ec_key(ca.key_pem)
        self._ca_certificate = x509.load_pem_x509_certificate(ca.certificate_pem)

    @property
    def ca_pem(self) -> bytes:
        return self.ca.certificate_pem

    @property
    def signing_key_id(self) -> str:
        """The `kid` of tokens: a hash of the public key."""
        public = self.signing_key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        return hashlib.sha256(public).hexdigest()[:43]

    def issue_serving(self, *, names: Sequence[str], addresses: Sequence[IPv4Address]) -> KeyPair:
        """Sign a certificate for a server that is reached by these names and addresses."""
        alternatives: list[x509.GeneralName] = [x509.DNSName(name) for name in names]
        alternatives += [x509.IPAddress(address) for address in addresses]
        subject = _name(names[0] if names else str(addresses[0]))
        return self._issue(
            subject, ExtendedKeyUsageOID.SERVER_AUTH, x509.SubjectAlternativeName(alternatives)
        )

    def issue_client(self, user: str, *, groups: Sequence[str] = ()) -> KeyPair:
        """Sign a certificate that makes its bearer `user`, member of `groups`."""
        return self._issue(_name(user, groups), ExtendedKeyUsageOID.CLIENT_AUTH, None)

    def verify_client(self, der: bytes, *, now: datetime) -> PeerName | None:
        """Return whom a peer's certificate names, or None if this CA does not vouch for it."""
        try:
            certificate = x509.load_der_x509_certificate(der)
            certificate.verify_directly_issued_by(self._ca_certificate)
            usages = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        except (ValueError, TypeError, InvalidSignature, x509.ExtensionNotFound):
            return None
        if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
            return None
        if ExtendedKeyUsageOID.CLIENT_AUTH not in usages:
            return None
        return _peer_name(certificate)

    def _issue(
        self,
        subject: x509.Name,
        usage: x509.ObjectIdentifier,
        alternatives: x509.SubjectAlternativeName | None,
    ) -> KeyPair:
        key = ec.generate_private_key(ec.SECP256R1())
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._ca_certificate.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _BACKDATED)
            .not_valid_after(now + timedelta(days=_LEAF_DAYS))
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .add_extension(_key_usage(ca=False), critical=True)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._ca_key.public_key()),
                critical=False,
            )
        )
        if alternatives:
            builder = builder.add_extension(alternatives, critical=False)
        return _pair(builder.sign(self._ca_key, hashes.SHA256()), key)


def create_pki(cluster: str) -> ClusterPki:
    """Make new keys for a cluster, in memory."""
    signing_key = ec.generate_private_key(ec.SECP256R1())
    return ClusterPki(
        ca=_create_ca(cluster),
        signing_key_pem=_key_pem(signing_key),
        admin_token=secrets.token_urlsafe(32),
    )


def load_or_create_pki(directory: Path, cluster: str) -> ClusterPki:
    """Return the keys that lie in `directory`, made and written there if there are none.

    Keys that a crash of the host left half written are none: whoever held what they signed
    has died with the host.
    """
    directory.mkdir(parents=True, exist_ok=True)
    directory.chmod(0o700)
    files = {name: directory / name for name in ("ca.crt", "ca.key", "sa.key", "admin.token")}
    # The token is written last: where it is, all the others are whole, as far as this boot goes.
    if not files["admin.token"].exists() or not all(map(_is_whole, files.values())):
        made = create_pki(cluster)
        _write_private(files["ca.crt"], made.ca.certificate_pem)
        _write_private(files["ca.key"], made.ca.key_pem)
        _write_private(files["sa.key"], _key_pem(made.signing_key))
        _write_private(files["admin.token"], made.admin_token.encode())
        return made
    return ClusterPki(
        ca=KeyPair(files["ca.crt"].read_bytes(), files["ca.key"].read_bytes()),
        signing_key_pem=files["sa.key"].read_bytes(),
        admin_token=files["admin.token"].read_text(),
    )


def _is_whole(file: Path) -> bool:
    try:
        content = file.read_bytes()
    except FileNotFoundError:
        return False
    return bool(content.strip(b"\0")) and (file.suffix == ".token" or b"\n-----END" in content)


def _create_ca(cluster: str) -> KeyPair:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _name(f"netemu-{cluster}-{secrets.token_hex(4)}")
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(now + timedelta(days=_CA_DAYS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(ca=True), critical=True)
        # Without it, OpenSSL's strict mode (Python 3.13) refuses the chain.
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    return _pair(builder.sign(key, hashes.SHA256()), key)


def _key_usage(*, ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=ca,
        crl_sign=ca,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _name(common_name: str, organizations: Sequence[str] = ()) -> x509.Name:
    parts = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in organizations]
    return x509.Name([*parts, x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _peer_name(certificate: x509.Certificate) -> PeerName | None:
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    groups = certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    if not names:
        return None
    return PeerName(
        str(names[0].value),
        tuple(str(group.value) for group in groups),
        certificate.not_valid_after_utc,
    )


def _pair(certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> KeyPair:
    return KeyPair(certificate.public_bytes(serialization.Encoding.PEM), _key_pem(key))


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _ec_key(pem: bytes) -> ec.EllipticCurvePrivateKey:
    key = serialization.load_pem_private_key(pem, password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise TypeError(f"an EC key is needed, not {type(key).__name__}")
    return key


def _write_private(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
