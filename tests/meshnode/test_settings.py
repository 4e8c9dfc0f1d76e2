"""Settings: defaults that work, a file that overrides, flags above both, and refusals by name."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshnode.services.messages.limits import EXPIRES_S_MAX, TEXT_BYTES_MAX
from meshnode.services.peers.limits import STRANGERS_MAX
from meshnode.settings import BOUNDS, NodeSettings, QuotaSettings, effective, load_settings
from protocols.errors import SettingsError


def test_an_empty_file_is_a_working_node() -> None:
    assert load_settings("") == NodeSettings()


def test_the_file_overrides_a_default_and_leaves_the_rest() -> None:
    settings = load_settings('name = "pi"\n[links]\nmdns = false\n')
    assert (settings.name, settings.links.mdns, settings.links.listen) == (
        "pi",
        False,
        NodeSettings().links.listen,
    )


def test_a_flag_overrides_the_file() -> None:
    assert load_settings('name = "pi"', {"name": "desk"}).name == "desk"


def test_an_unknown_key_is_refused_by_name() -> None:
    with pytest.raises(SettingsError, match="mnds"):
        load_settings("[links]\nmnds = false")


def test_a_value_of_the_wrong_kind_is_refused_with_its_place() -> None:
    with pytest.raises(SettingsError, match=r"links\.mdns"):
        load_settings('[links]\nmdns = "perhaps"')


def test_text_that_is_not_toml_is_refused() -> None:
    with pytest.raises(SettingsError, match="not TOML"):
        load_settings("name = = 1")


@pytest.mark.parametrize("key", ["expires_s", "keep_s", "keep_count"])
def test_a_span_of_nothing_is_refused(key: str) -> None:
    with pytest.raises(SettingsError, match=key):
        load_settings(f"[messages]\n{key} = 0")


@pytest.mark.parametrize(("table", "name", "low", "high"), BOUNDS)
def test_a_value_that_cannot_be_kept_is_refused_by_name(table: str, name: str, low: int, high: int) -> None:
    for value in (low, high):
        settings = load_settings(f"[{table}]\n{name} = {value}")
        assert getattr(getattr(settings, table), name) == value
    for value in (low - 1, high + 1, 10**30):
        with pytest.raises(SettingsError, match=rf"{table}\.{name}|\$\.{table}\.{name}"):
            load_settings(f"[{table}]\n{name} = {value}")


def test_every_quota_has_bounds_and_its_default_is_within() -> None:
    bounds = {name: (low, high) for table, name, low, high in BOUNDS if table == "quotas"}
    assert list(bounds) == list(QuotaSettings.__struct_fields__)
    assert all(low <= getattr(QuotaSettings(), name) <= high for name, (low, high) in bounds.items())


def test_the_bounds_are_what_messages_and_the_book_of_peers_can_keep() -> None:
    bounds = {name: (low, high) for _, name, low, high in BOUNDS}
    assert bounds["expires_s"][1] == EXPIRES_S_MAX
    assert [bounds[name][0] for name in ("stranger_bytes", "requests_bytes", "inbox_bytes")] == [
        TEXT_BYTES_MAX
    ] * 3
    assert bounds["strangers"][1] < STRANGERS_MAX


@pytest.mark.parametrize("name", ["x" * 65, "bell\\u0007"])
def test_a_name_that_a_record_could_not_carry_is_refused(name: str) -> None:
    with pytest.raises(SettingsError, match="name"):
        load_settings(f'name = "{name}"')


def test_every_setting_says_where_it_comes_from() -> None:
    found = effective('name = "pi"', {"links": {"mdns": False}})
    assert found["name"] == ("pi", "file")
    assert found["links.mdns"] == (False, "flag")
    assert found["messages.keep_count"] == (100_000, "default")


@given(st.text(max_size=200))
def test_any_text_is_settings_or_a_settings_error(text: str) -> None:
    with contextlib.suppress(SettingsError):
        load_settings(text)
