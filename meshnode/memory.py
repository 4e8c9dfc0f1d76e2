"""The allocator's manners, set once for a process that moves 64 KiB records all day.

glibc gives the top of its heap back to the system whenever a big block at its end is freed, and takes it again for
the next record: 15 to 25 µs of page faults each (measured, `bench/micro_stream.py`).

With these numbers a bulk transfer takes 5 to 10 % less CPU, and an idle node 0.3 MiB more (measured, `bench/peer_mesh.py`).
"""

import ctypes

MIB = 1024 * 1024
M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD = -1, -2, -3  # malloc.h
KEEP_BYTES = 8 * MIB  # free at the top of the heap before it is given back
PAD_BYTES = MIB  # taken more than was asked for
MMAP_FROM_BYTES = 4 * MIB  # below it a block comes from the heap


def keep_freed_memory() -> bool:
    """False where the C library has no such wish (musl, macOS): then nothing has changed."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    wishes = ((M_MMAP_THRESHOLD, MMAP_FROM_BYTES), (M_TRIM_THRESHOLD, KEEP_BYTES), (M_TOP_PAD, PAD_BYTES))
    return all(mallopt(name, value) == 1 for name, value in wishes)
