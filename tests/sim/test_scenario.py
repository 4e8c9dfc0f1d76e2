from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import SettingsError
from sim.scenario import Scenario, load_scenario, parse_scenario, scenario_names

TWELVE_AND_ONE = [
    "battery",
    "campus",
    "carriers",
    "churn",
    "city",
    "crash",
    "determinism",
    "hostile",
    "knowledge",
    "region",
    "room",
    "split",
    "village",
]


def test_the_scenarios_of_the_research_note_are_there_and_the_village() -> None:
    assert scenario_names() == TWELVE_AND_ONE


@pytest.mark.parametrize("name", TWELVE_AND_ONE)
def test_each_scenario_says_what_it_is_about_and_what_is_expected(name: str) -> None:
    scenario = load_scenario(name)
    assert scenario.about
    assert scenario.goals or name == "determinism"


def test_a_value_laid_over_a_scenario_takes_the_place_of_its_own() -> None:
    scenario = load_scenario(
        "crash", {"nodes": "3", "storm.power": "1.0", "storm.down_s": "[1.0, 2.0]", "lane": "b"}
    )
    assert (scenario.nodes, scenario.storm.power, scenario.storm.down_s) == (3, 1.0, (1.0, 2.0))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("nodes = 5", "about"),
        ('about = "x"\nspeed = 1', "speed"),
        ('about = "x"\n[storm]\nhail = 1', "hail"),
        ('about = "x"\n[storm]\nloss = 1.5', "<= 1"),
        ('about = "x"\nnodes = 0', ">= 1"),
        ('about = "x"\nnodes = 1001', "lane b takes at most 1,000"),
        ('about = "x"\nlane = "c"', "'c'"),
        ('about = "x"\nmedia = []', "media"),
        ('about = "x"\n[[media]]\nkind = "ip"\n[[media]]\nkind = "ip"', "once"),
        ('about = "x"\n[storm]\ndown_s = [9.0, 1.0]', "down_s"),
        ('about = "x', "not TOML"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(text: str, sentence: str) -> None:
    with pytest.raises(SettingsError, match=sentence):
        parse_scenario(text, "test.toml")


def test_a_key_below_something_that_is_no_table_is_refused() -> None:
    with pytest.raises(SettingsError, match="about is no table"):
        load_scenario("crash", {"about.it": "1"})


def test_an_unknown_scenario_is_refused_with_those_there_are() -> None:
    with pytest.raises(SettingsError, match="village"):
        load_scenario("moon")


@given(st.text(max_size=200))
def test_any_text_is_a_scenario_or_is_refused(text: str) -> None:
    with suppress(SettingsError):
        assert isinstance(parse_scenario(text, "test.toml"), Scenario)


@given(st.text(max_size=40), st.text(max_size=40))
def test_any_overlay_is_taken_or_refused(key: str, value: str) -> None:
    with suppress(SettingsError):
        assert isinstance(load_scenario("crash", {key: value}), Scenario)
