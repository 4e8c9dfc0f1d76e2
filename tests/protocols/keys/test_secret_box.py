import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import RemoteError
from protocols.keys import open_secret, seal_secret

KEY = bytes(range(32))
LABEL = b"meshnode/test/1"


def entropy(size: int) -> bytes:
    return bytes([7]) * size


@given(secret=st.binary(max_size=200), place=st.binary(max_size=40))
def test_a_secret_comes_back_from_its_own_place(secret: bytes, place: bytes) -> None:
    assert open_secret(KEY, LABEL, place, seal_secret(KEY, LABEL, place, secret, entropy)) == secret


@pytest.mark.parametrize(
    ("key", "label", "place"),
    [(bytes(32), LABEL, b"a"), (KEY, b"meshnode/other/1", b"a"), (KEY, LABEL, b"b")],
)
def test_it_opens_under_no_other_key_label_or_place(key: bytes, label: bytes, place: bytes) -> None:
    sealed = seal_secret(KEY, LABEL, b"a", b"secret", entropy)
    with pytest.raises(RemoteError, match="bad_seal"):
        open_secret(key, label, place, sealed)


@given(st.binary(max_size=80))
def test_any_other_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(RemoteError, match="bad_seal"):
        open_secret(KEY, LABEL, b"a", data)
