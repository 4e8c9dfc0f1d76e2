"""Messages for somebody who is away: sealed to a prekey, carried by whoever may meet him, delivered once."""

from protocols.courier.bundle import Bundle, open_bundle
from protocols.courier.carrier import Carrier, Offer, Reply, Willing, Word
from protocols.courier.custody import Custody
from protocols.courier.limits import (
    CLOCK_SKEW_S,
    COPIES_MAX,
    EXPIRY_STEP_S,
    LIFE_S_MAX,
    NOTES_PER_CALL,
    OFFERS_PER_CALL,
    SEALED_BYTES_MAX,
    SEALED_ID_BYTES,
    WALL_S_MIN,
    CarryLimits,
)
from protocols.courier.meetings import Meetings
from protocols.courier.notes import (
    CustodyReceipt,
    DeliveredNote,
    open_note,
    open_receipt,
    sign_note,
    sign_receipt,
)
from protocols.courier.prekeys import OwnPrekey, PrekeyRing
from protocols.courier.rule import Giving
from protocols.courier.sealed import Sealed, decode_sealed, is_too_far
from protocols.courier.sealing import CONTENT_BYTES_MAX, Opened, open_sealed, seal

__all__ = [
    "CLOCK_SKEW_S",
    "CONTENT_BYTES_MAX",
    "COPIES_MAX",
    "EXPIRY_STEP_S",
    "LIFE_S_MAX",
    "NOTES_PER_CALL",
    "OFFERS_PER_CALL",
    "SEALED_BYTES_MAX",
    "SEALED_ID_BYTES",
    "WALL_S_MIN",
    "Bundle",
    "Carrier",
    "CarryLimits",
    "Custody",
    "CustodyReceipt",
    "DeliveredNote",
    "Giving",
    "Meetings",
    "Offer",
    "Opened",
    "OwnPrekey",
    "PrekeyRing",
    "Reply",
    "Sealed",
    "Willing",
    "Word",
    "decode_sealed",
    "is_too_far",
    "open_bundle",
    "open_note",
    "open_receipt",
    "open_sealed",
    "seal",
    "sign_note",
    "sign_receipt",
]
