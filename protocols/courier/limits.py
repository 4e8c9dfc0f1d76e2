"""Sizes, lives and counts of what is sealed to somebody who is away."""

from dataclasses import dataclass

DAY_S = 86_400

# Lives, by the wall clock: it is the only one that the sender, the couriers and the receiver share.
LIFE_S_MAX = 14 * DAY_S  # of a sealed object; what a fortnight did not bring, no courier will
EXPIRY_STEP_S = 600  # an expiry to the second would tell the couriers when it was written
CLOCK_SKEW_S = DAY_S  # by so much clocks may differ; the receiver is patient, couriers are not
ROTATE_S = 7 * DAY_S  # between two prekeys
BUNDLE_LIFE_S = 14 * DAY_S  # a contact that was away for longer asks for a new one first
PREKEY_LIFE_S = BUNDLE_LIFE_S + LIFE_S_MAX  # sealed on a bundle's last day, arrived on its own last day
PREKEYS_MAX = 16  # a month of weekly ones is four; the rest is for owners who rotate by hand
PREKEYS_NEWER_MIN = (
    PREKEY_LIFE_S // ROTATE_S
)  # rotations that must lie behind one before a clock may delete it
WALL_S_MIN = 1_735_689_600  # the beginning of 2025: a clock that shows less was never set

# Bytes.
PREKEY_ID_BYTES = 8
SEALED_ID_BYTES = 16
SEALED_BYTES_MAX = 65_536  # the payload of one envelope (docs/wire.md, section 2)
PADDED_BYTES_MIN = 512  # a short text and a page look the same
BUNDLE_BYTES_MAX = 2_048  # with an ML-KEM-768 key of 1,184
NOTE_BYTES_MAX = 256
RECEIPT_BYTES_MAX = 320

# Carrying.
COPIES_MAX = 64  # of one object, whatever a neighbour says
AGE_S_MAX = 366 * DAY_S  # a meeting longer ago is no reason for anything
OFFERS_PER_CALL = 64
NOTES_PER_CALL = 64
STRANGE_NOTES_MAX = 256  # from one neighbour in one session, about objects that we don't carry
REOFFER_NS = 600_000_000_000  # 10 minutes: a neighbour that stays may meet the receiver meanwhile
HOLDERS_MAX = 32  # of one object, that we know of
SESSIONS_MAX = 1_024  # neighbours at a time; more links than a node has


@dataclass(frozen=True, slots=True)
class CarryLimits:
    """What one node carries. At a limit the newest is refused: a flood must not wash away what was taken before."""

    copies: int = (
        8  # of an object of ours; sim/baselines: four reach too few, sixteen cost half as much again
    )
    objects_max: int = 4_096  # for others; a row in memory each
    bytes_max: int = 16 << 20  # for others, on disk
    giver_bytes_max: int = 2 << 20  # from one neighbour; the true sender is sealed
    own_max: int = 512  # objects of ours under way
    notes_max: int = 2_048  # "it has arrived", 200 bytes each
    met_max: int = 2_048  # people whom we met
