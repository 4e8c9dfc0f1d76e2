"""Padmé: a sealed record tells its length only roughly.

Lengths are rounded up so that their floating-point form has a mantissa no longer than its exponent: at most 12 %
are added, less for long records, and of a length L only O(log log L) bits leak.

Spec: Nikitin et al., "Reducing Metadata Leakage from Encrypted Files and Communication with PURBs",
PoPETs 2019(4), section 4.
"""

from protocols.session.limits import PADDED_BYTES_MIN


def padded_length(length: int) -> int:
    """What `length` bytes grow to. Never less than `length`, never less than PADDED_BYTES_MIN."""
    if length <= PADDED_BYTES_MIN:
        return PADDED_BYTES_MIN
    exponent = length.bit_length() - 1
    mask = (1 << (exponent - exponent.bit_length())) - 1
    return (length + mask) & ~mask
