"""Settings: defaults that work, a file that overrides, flags above both, and refusals by name."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshnode.settings import NodeSettings, effective, load_settings
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
