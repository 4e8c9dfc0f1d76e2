"""How much the directory service does at a time, and how long it waits."""

NS_PER_S = 1_000_000_000

# Connections to ask strangers.
CALLS_AT_ONCE_MAX = (
    12  # questions under way: a store asks twenty, and a phone's radio bears a dozen handshakes
)
LINES_MAX = 24  # connections that we opened to ask; the one unused for longest is closed for a new one
LINE_IDLE_NS = 30 * NS_PER_S  # a lookup and the store behind it use the same ones
CONNECT_S = 5.0  # a dial and a handshake over lossy hops; who needs longer is as good as away
ANSWER_S = 10.0
LOOKUP_S = 60.0  # then what was found by then counts
DIAL_ADDRESSES_MAX = 4  # of a stranger's record: it may name anybody's

# Seeking contacts that are away.
SEEKS_AT_ONCE_MAX = 2
SEEK_FIRST_NS = 5 * NS_PER_S  # the dialler tries what is known first
SEEK_REST_NS_MAX = 2 * 3_600 * NS_PER_S  # between two searches for one contact, in the end
SEEK_AGAIN_NS = 20 * NS_PER_S  # at least, however much happens
SEEK_NEWS_NS = 3 * NS_PER_S  # somebody came: within this time whoever is away is looked for
FRIENDS_MAX = 8  # connected contacts that a lookup begins with beside the table

# Answering.
QUESTIONS_WINDOW_NS = 60 * NS_PER_S
QUESTIONS_MAX = 240  # of one stranger in that time: two stores of a lookup each second
TALLIES_MAX = 1_024  # strangers that are counted; the oldest goes
OPENED_MAX = 2_048  # records whose signature is known to be right, some 700 bytes each; the oldest goes

# Gateways.
WARDS_MAX = 64  # that we announce; one more is refused
WARD_LIFE_S = 1_800  # it asks again before half of it is over
GATEWAYS_MAX = 3  # that announce us: each is one address of our record
GATEWAYS_TRIED_MAX = 2  # of somebody whom we look for

# Upkeep.
TICK_NS = 20 * NS_PER_S  # between two looks at what is idle
SAVE_NS = 60 * NS_PER_S  # what others keep too may be lost for so long
SAVE_REST_NS = 30 * NS_PER_S  # after a failed write
