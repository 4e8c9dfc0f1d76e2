"""One Noise engine: patterns as data, AES-GCM or ChaChaPoly, and the hfs hybrid with ML-KEM-768.

Spec: The Noise Protocol Framework, revision 34; "KEM-based Hybrid Forward Secrecy for Noise" for hfs.
"""

from protocols.noise.cipher import CipherState
from protocols.noise.handshake import Handshake
from protocols.noise.kem import Kem, KemKeyPair, MlKem768, mlkem_or_none
from protocols.noise.symmetric import SymmetricState
from protocols.noise.x25519 import AgreementKey, X25519Pair

__all__ = [
    "AgreementKey",
    "CipherState",
    "Handshake",
    "Kem",
    "KemKeyPair",
    "MlKem768",
    "SymmetricState",
    "X25519Pair",
    "mlkem_or_none",
]
