"""The certificate that TLS insists on. It is made anew by every transport and says nothing of the node.

Nobody verifies it: the session binds a link by the SHA-256 of the listening side's certificate, so somebody in
between, who has to show a certificate of his own, is found out there.
"""

import datetime as dt
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
SERIAL_BYTES = 16
# Fixed dates: a clock that starts in 1970 must not keep a node off the net, and a date of issue would be a trace.
NOT_BEFORE = dt.datetime(1970, 1, 2, tzinfo=dt.UTC)
NOT_AFTER = dt.datetime(2100, 1, 1, tzinfo=dt.UTC)


@dataclass(frozen=True, slots=True)
class LinkCertificate:
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey = field(repr=False)
    binding: bytes  # SHA-256 of the DER form

    @property
    def certificate_pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        return self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )


def binding_of(der: bytes) -> bytes:
    return hashlib.sha256(der).digest()


def make_certificate(entropy: Callable[[int], bytes]) -> LinkCertificate:
    """All of it follows from `entropy`: the same bytes give the same certificate."""
    # 16 bytes more than the order has: the remainder's bias is below 2^-128.
    secret = int.from_bytes(entropy(48)) % (P256_ORDER - 1) + 1
    key = ec.derive_private_key(secret, ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(int.from_bytes(entropy(SERIAL_BYTES)) >> 1 | 1)
        .not_valid_before(NOT_BEFORE)
        .not_valid_after(NOT_AFTER)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256(), ecdsa_deterministic=True)
    )
    return LinkCertificate(certificate, key, binding_of(certificate.public_bytes(serialization.Encoding.DER)))
