"""`meshctl id export|restore|revoke`: on the data directory itself, no node needed."""

import base64
import json
from pathlib import Path
from typing import Any

from protocols.directory import open_revocation
from protocols.ids import node_id_text

PHRASE = "abandon " * 23 + "art"  # the phrase of 32 zero bytes


def test_a_phrase_restores_the_identity_that_it_was_exported_from(alone: Any) -> None:
    restored = alone.json("id", "restore", stdin=PHRASE)
    exported = alone.ctl("--json", "id", "export")
    assert json.loads(exported.stdout) == {"phrase": PHRASE}
    assert "show them to nobody" in exported.stderr
    again = alone.ctl("id", "restore", "--force", stdin=PHRASE)
    assert again.stdout == f"restored {restored['node_id']}\n"


def test_restoring_over_an_identity_is_refused_unless_forced(alone: Any) -> None:
    alone.ctl("id", "restore", stdin=PHRASE)
    result = alone.ctl("id", "restore", stdin=PHRASE)
    assert result.exit_code == 1
    assert "--force" in result.stderr


def test_a_phrase_with_a_wrong_word_is_refused_in_words(alone: Any) -> None:
    result = alone.ctl("id", "restore", stdin=PHRASE.replace("art", "zebrra"))
    assert result.exit_code == 1
    assert "zebrra" in result.stderr


def test_a_passphrase_seals_and_opens(alone: Any, tmp_path: Path) -> None:
    secret = tmp_path / "pass.txt"
    secret.write_text("correct horse\nignored\n")
    assert alone.ctl("id", "restore", "--passphrase-file", str(secret), stdin=PHRASE).exit_code == 0
    assert "--passphrase-file" in alone.ctl("id", "export").stderr
    assert alone.ctl("id", "export", "--passphrase-file", str(secret)).stdout.strip() == PHRASE


def test_a_file_that_holds_no_passphrase_is_said(alone: Any, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    for content in (b"", b"\n", b"\xff\xfe", b"x" * 5_000):
        empty.write_bytes(content)
        assert "passphrase" in alone.ctl("id", "export", "--passphrase-file", str(empty)).stderr
    empty.unlink()
    assert alone.ctl("id", "export", "--passphrase-file", str(empty)).exit_code == 1


def test_a_revocation_is_signed_by_the_identity_itself(alone: Any) -> None:
    restored = alone.json("id", "restore", stdin=PHRASE)
    signed = alone.json("id", "revoke")["revocation"]
    assert node_id_text(open_revocation(base64.b64decode(signed)).node) == restored["node_id"]
    assert alone.ctl("id", "revoke").stdout.strip()


def test_exporting_from_an_empty_directory_says_how_to_get_an_identity(alone: Any) -> None:
    result = alone.ctl("id", "export")
    assert result.exit_code == 1
    assert "'meshnode run' makes one" in result.stderr
