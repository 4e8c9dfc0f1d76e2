"""Rules of sessions and streams that mutants take out."""

from typing import Any

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from mutant import Mutant, Swap

from protocols.directory import NodeRecord
from protocols.errors import RemoteError
from protocols.noise import cipher
from protocols.session import proof
from protocols.session.frames import Claim, decode_claim
from protocols.stream import connection, table
from sim.faults.plan import Byzantine, Middle, Plan

PAIR = {"nodes": "2", "storm_s": "15", "calm_s": "20", "traffic.letters_per_host_min": "60"}
STRANGERS = {
    "lane": '"a"',  # whose cores do without ML-KEM, as intruders do
    "nodes": "3",
    "warm_s": "0",
    "storm_s": "15",
    "calm_s": "5",
    "media": '[{kind = "lan"}]',
    "acquaintances.kind": '"random"',
    "acquaintances.degree": "0",
    "traffic.to": '"anyone"',
    "traffic.letters_per_host_min": "20",
}
FIRST_BLOCK = (2).to_bytes(4, "big")  # of the data in AES-GCM's counter mode; block 1 is the tag's


# -- what stands there instead ------------------------------------------------------------------------------------


def _nothing(*_: Any, **__: Any) -> None:
    """Is done."""


def _decrypt_unchecked(
    self: cipher.CipherState, nonce: int, _associated: bytes, ciphertext: cipher.Data
) -> bytes:
    if len(ciphertext) < cipher.TAG_BYTES:
        raise RemoteError("bad_seal")
    opener = Cipher(
        algorithms.AES(bytes(self._key)), modes.CTR(self._nonce(0, nonce) + FIRST_BLOCK)
    ).decryptor()
    return opener.update(bytes(ciphertext[: -cipher.TAG_BYTES]))


def _believe_record(
    self: proof.Passport, payload: bytes, _remote_static: bytes | None
) -> tuple[Claim, NodeRecord]:
    claim = decode_claim(payload)
    return claim, self._record(claim.record)


def _never_more(self: table.StreamTable) -> int:
    self.allow_due = False
    return self._theirs_max


def _forget_losses(self: connection.Connection, gone: int | None = None) -> None:
    self._recovery.take_lost()


RULES = (
    Mutant(
        name="checked-seal",
        rule="A record opens only if its tag is right.",
        where="protocols/noise/cipher.py: CipherState.decrypt",
        swaps=(Swap(cipher.CipherState, "decrypt", _decrypt_unchecked),),
        oracles=("no_forgery", "delivered"),
        seed=2,
        settings={**PAIR, "storm_s": "6", "calm_s": "40", "traffic.letters_per_host_min": "120"},
        plan=Plan(
            (Middle(at_ms=0, sender="n0", receiver="n1", behaviour="corrupt", share=0.1, for_ms=6_000),)
        ),
    ),
    Mutant(
        name="proved-identity",
        rule="A peer is who it says only if that node's record names its key and that node signed the handshake.",
        where="protocols/session/proof.py: Passport._open, _verify",
        swaps=(Swap(proof.Passport, "_open", _believe_record), Swap(proof, "_verify", _nothing)),
        oracles=("no_forgery",),
        seed=1,
        settings=STRANGERS,
        plan=Plan((Byzantine(at_ms=0, host="n0", behaviour="impersonate"),)),
    ),
    Mutant(
        name="lost-goes-again",
        rule="What a lost record held is sent again.",
        where="protocols/stream/connection.py: Connection._send_again",
        swaps=(Swap(connection.Connection, "_send_again", _forget_losses),),
        oracles=("delivered",),
        seed=2,
        settings={**PAIR, "calm_s": "16", "media": '[{kind = "ip", loss = 0.3}]'},
    ),
    Mutant(
        name="ended-stream-makes-room",
        rule="A peer may open one more stream for each that ended.",
        where="protocols/stream/table.py: StreamTable.allow",
        swaps=(Swap(table.StreamTable, "allow", _never_more),),
        oracles=("delivered",),
        seed=1,
        settings={**PAIR, "traffic.letters_per_host_min": "120"},
    ),
)
