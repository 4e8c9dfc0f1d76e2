"""The identity of a data directory: made once, sealed on wish, exported and restored by its phrase."""

import os
from pathlib import Path

import pytest

from meshnode.identity import (
    SEED_FILE,
    export_phrase,
    load_or_create_identity,
    restore_identity,
    revoke_identity,
)
from meshnode.store import DirectoryLock, DiskStorage, MemoryStorage
from protocols.directory import open_revocation
from protocols.errors import RefusedError
from protocols.keys import Identity, phrase_from_seed

PHRASE = phrase_from_seed(bytes(range(32)))


def test_the_first_start_makes_an_identity_and_the_second_finds_it() -> None:
    storage = MemoryStorage()
    first, is_new = load_or_create_identity(storage, None, os.urandom)
    again, is_new_again = load_or_create_identity(storage, None, os.urandom)
    assert (is_new, is_new_again) == (True, False)
    assert first.node_id == again.node_id


def test_a_sealed_identity_opens_with_its_passphrase_alone() -> None:
    storage = MemoryStorage()
    made, _ = load_or_create_identity(storage, "correct horse", os.urandom)
    assert load_or_create_identity(storage, "correct horse", os.urandom)[0].node_id == made.node_id
    with pytest.raises(RefusedError, match="sealed"):
        load_or_create_identity(storage, None, os.urandom)
    with pytest.raises(RefusedError, match="does not open"):
        load_or_create_identity(storage, "battery staple", os.urandom)


def test_a_restored_phrase_is_the_same_identity_and_exports_the_same_words(tmp_path: Path) -> None:
    node = restore_identity(tmp_path / "new", PHRASE, None)
    assert node == Identity.from_seed(bytes(range(32))).node_id
    assert export_phrase(tmp_path / "new", None) == PHRASE
    assert (tmp_path / "new" / SEED_FILE).stat().st_mode & 0o777 == 0o600


def test_restoring_over_another_identity_is_refused_unless_forced(tmp_path: Path) -> None:
    load_or_create_identity(DiskStorage(tmp_path), None, os.urandom)
    with pytest.raises(RefusedError, match="already holds"):
        restore_identity(tmp_path, PHRASE, None)
    restore_identity(tmp_path, PHRASE, "sealed now", force=True)
    assert export_phrase(tmp_path, "sealed now") == PHRASE


def test_restoring_under_a_running_node_is_refused(tmp_path: Path) -> None:
    with DirectoryLock(tmp_path), pytest.raises(RefusedError, match="already runs"):
        restore_identity(tmp_path, PHRASE, None)


def test_a_directory_without_an_identity_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match="meshnode run"):
        export_phrase(tmp_path, None)


def test_a_revocation_names_the_identity_that_signed_it(tmp_path: Path) -> None:
    node = restore_identity(tmp_path, PHRASE, None)
    assert open_revocation(revoke_identity(tmp_path, None)).node == node
