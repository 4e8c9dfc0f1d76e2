"""What one peer may make us hold. A stranger's session holds a hundredth of a contact's; who becomes a contact in the
middle of a session gets more with the next one.
"""

from protocols.rpc import RpcLimits
from protocols.stream import StreamLimits

MIB = 1024 * 1024

CONTACT_STREAMS = StreamLimits()
CONTACT_CALLS = RpcLimits()
STRANGER_STREAMS = StreamLimits(
    data_window_bytes=MIB,  # the least that wire.md promises; the request box takes no more from one stranger either
    stream_window_bytes=256 * 1024,  # the least that wire.md promises
    streams_max=16,  # the least that wire.md promises
)
STRANGER_CALLS = RpcLimits(
    calls_in_max=16,  # a message, a ping and an invite need one each
    unfinished_bytes_max=2 * MIB,  # one longest message, and another on its way
)
