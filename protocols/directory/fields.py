"""What a field of a decoded body must be to be taken."""

from typing import TypeGuard

from protocols.codec import Value

KEY_BYTES = 32  # X25519
NUMBER_MAX = 2**53  # far beyond any clock; exact in every language that may read it


def is_number(value: Value) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= NUMBER_MAX


def is_bytes(value: Value, length: int) -> TypeGuard[bytes]:
    return isinstance(value, bytes) and len(value) == length


def is_text(value: Value, bytes_max: int) -> TypeGuard[str]:
    return isinstance(value, str) and len(value.encode()) <= bytes_max


def texts_of(value: Value, count_max: int, bytes_max: int) -> tuple[str, ...] | None:
    """None where it is no list of texts, or too long a one."""
    if not isinstance(value, list) or len(value) > count_max:
        return None
    texts = tuple(text for text in value if is_text(text, bytes_max))
    return texts if len(texts) == len(value) else None
