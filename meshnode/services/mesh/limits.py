"""Bounds of the service "mesh"."""

SECOND_NS = 1_000_000_000

TIES_MAX = 128  # neighbours in one answer, cheapest first; a hub has more, and says how many it left out
PREFIX_BYTES = 12  # of a NodeId: what routing tells everybody anyway
TRANSPORT_BYTES_MAX = 16
ANSWER_BYTES_MAX = 16_384  # 128 ties of 80 bytes, or 64 steps of 120
QUESTION_BYTES_MAX = 2_048
HOPS_MAX = 64  # of a trace; far beyond that a way is no way
TRACE_MS_MAX = 30_000  # from end to end
HOP_MS = 250  # that a relay keeps back for its own answer when it asks the next
HOP_MS_MIN = 20  # with less time left nobody else is asked
TRACES_AT_ONCE_MAX = 32  # that go through us
ASKS_BURST = 20  # of one neighbour
ASKS_PER_S = 4  # of one neighbour: a person's map asks each node once, a trace passes once
ASKERS_MAX = 1_024  # whose pace is remembered; the oldest goes
