"""How much the peers service keeps, and how often it may be asked."""

# Tables. Each is held in memory and on disk; a full one refuses the newest unless its line says otherwise.
CONTACTS_MAX = 10_000  # some 2 KiB each with its record: 20 MiB at the very most
STRANGERS_MAX = (
    1_024  # met but never accepted; the one seen longest ago, with nothing in the request box, goes first
)
BLOCKED_MAX = 10_000
REVOCATIONS_MAX = 10_000  # for contacts and for what the owner imports only, so a stranger can't fill it
AWAITED_ADDRESSES_MAX = 256  # typed by the owner, nobody met there yet
INVITES_MAX = 256  # issued and not yet over
REDEMPTIONS_MAX = 256  # of others' invites, not answered yet
VERIFICATIONS_MAX = 16  # under way at once
VERIFICATIONS_ASKED_MAX = 8  # of these, started by others: the owner always has room to start one

# Per peer.
GIVEN_ADDRESSES_MAX = 16  # as many as a record holds
DEVICES_MAX = 64  # NodeIds under one petname: a person's devices, not a crowd
PETNAME_CHARS_MAX = 64  # a full name with title; must fit a terminal line
SELF_NAME_CHARS_MAX = 64
ADDRESS_CHARS_MAX = 300  # scheme, a DNS name of 253 characters, port

# Invites.
INVITE_ADDRESSES_MAX = 4  # the invite must stay a QR code that scans
INVITE_ADDRESS_BYTES_MAX = 128  # longer ones don't fit its format
INVITE_USES_MAX = 1_000  # a class or a club; each use is one row until the invite is over
INVITE_EXPIRES_S_MAX = 366 * 86_400  # a year: long enough to print, short enough to end
REDEEMERS_KEPT_S = 7 * 86_400  # after expiry: a redeemer that missed our answer may still ask again
CLOCK_SKEW_S = 300  # two devices' wall clocks seldom differ by more once set; guess

# Attempts. Guessing a secret of 16 random bytes is in vain: that bound is for our work. With commitments it is for
# the odds: a man in the middle who starts an attempt, looks at its code and gives up has had one guess in ten million
# that nobody hears of.
ATTEMPTS_WINDOW_NS = 600_000_000_000  # 10 minutes: after them a tally starts anew
TALLIES_MAX = 1_024  # peers with a tally; the oldest is forgotten first
WRONG_SECRETS_EACH_MAX = 5
WRONG_SECRETS_ALL_MAX = 200
COMMITMENTS_EACH_MAX = 8  # of one contact, or of all strangers together: some 1,200 unheard guesses a day
COMMITMENTS_ALL_MAX = 64

# Wire.
BODY_BYTES_MAX = 65_536  # of any request of ours: 64 revocations are the largest
REVOCATIONS_PER_CALL = 64
REVOCATIONS_TOLD_MAX = (
    1_024  # to one peer on one connection: the newest; the rest when they are asked for again
)
RPC_TIMEOUT_S = 15.0  # several lossy hops there and back, and the other side's disk

# Errands (what is owed to a peer while it is connected).
ERRANDS_AT_ONCE_MAX = 16
ERRAND_REST_NS = 2_000_000_000  # after the first failure; doubles
ERRAND_REST_NS_MAX = 600_000_000_000
SAVE_REST_NS = 5_000_000_000  # after a failed write: a full disk is not emptied faster
