"""Who keeps its place among the neighbours, and who doesn't."""

from dataclasses import replace
from math import isinf
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.trust import GOOD, NO_CONDUCT, Conduct, Place, Standing, TrustLimits, TrustView, judge, wilson

USUAL = Conduct(flows=200, answered=170, frames=20_000, bytes=9e6, acks_due=5_000, acks_missed=100)


def standing_of(
    it: Conduct, others: Conduct = USUAL, *, contact: bool = False, before: Place = "full"
) -> Standing:
    return judge(TrustView(it, others, contact=contact, place_before=before))


def of(flows: float, rate: float) -> Conduct:
    return Conduct(flows=flows, answered=flows * rate)


# Droppers


def test_a_neighbour_of_whom_nothing_is_known_has_its_full_place() -> None:
    assert standing_of(NO_CONDUCT) == GOOD
    assert (GOOD.place, GOOD.cost_factor, GOOD.reasons) == ("full", 1.0, ())


def test_one_that_drops_everything_loses_its_place() -> None:
    standing = standing_of(of(40, 0.0))
    assert standing.place == "none"
    assert isinf(standing.cost_factor)
    assert standing.reasons == (
        "answers came back from 0 of 40 flows sent through it, through the other neighbours from 170 of 200",
    )


def test_one_that_drops_half_is_taken_last() -> None:
    standing = standing_of(of(300, 0.4), others=of(1_000, 0.85))
    assert standing.place == "last"
    assert 2 < standing.cost_factor < 20


def test_one_that_drops_three_quarters_loses_its_place() -> None:
    assert standing_of(of(200, 0.2)).place == "none"


def test_one_that_is_a_little_worse_than_the_others_keeps_its_place() -> None:
    assert standing_of(of(200, 0.75)) == GOOD


def test_a_third_lost_of_everything_that_everybody_carries_harms_nobody() -> None:
    assert standing_of(of(200, 0.49), others=of(1_000, 0.49)) == GOOD


def test_a_dead_network_is_nobodys_fault() -> None:
    assert standing_of(of(200, 0.0), others=of(1_000, 0.01)) == GOOD


def test_thin_evidence_proves_nothing() -> None:
    assert standing_of(of(11, 0.0)) == GOOD
    assert standing_of(Conduct(flows=14, answered=5)).place == "full"


def test_one_that_everything_goes_through_and_nothing_comes_back_from_is_taken_last_so_that_others_are_tried() -> (
    None
):
    for others in (NO_CONDUCT, of(5, 1.0)):
        standing = standing_of(of(500, 0.0), others=others)
        assert standing.place == "last"
        assert "no other neighbour was tried enough" in standing.reasons[0]
    assert standing_of(of(500, 0.0), others=of(30, 0.9)).place == "none"
    assert standing_of(of(500, 0.0), others=of(30, 0.0), before="last") == replace(GOOD)


def test_where_there_is_nobody_to_compare_with_a_lossy_network_harms_nobody() -> None:
    assert standing_of(of(13, 0.4), others=NO_CONDUCT) == GOOD
    assert standing_of(of(500, 0.49), others=NO_CONDUCT).place == "full"


@pytest.mark.parametrize("loss", [0.0, 0.1, 0.3])
def test_among_honest_neighbours_under_loss_nobody_ever_loses_its_place(loss: float) -> None:
    """Eight neighbours, judged after each of 150 rounds of flows; a round trip is lost with 1 - (1 - loss)^2."""
    comes_back = (1 - loss) ** 2
    for seed in range(20):
        die = Random(f"honest/{seed}")
        rows = [[0, 0] for _ in range(8)]
        for _ in range(150):
            row = rows[die.randrange(8)]
            row[0] += 1
            row[1] += die.random() < comes_back
            total = [sum(each[0] for each in rows), sum(each[1] for each in rows)]
            it = Conduct(flows=row[0], answered=row[1])
            others = Conduct(flows=total[0] - row[0], answered=total[1] - row[1])
            assert standing_of(it, others).place == "full", f"{seed=}"


@pytest.mark.parametrize("loss", [0.0, 0.1, 0.3])
def test_a_dropper_among_honest_neighbours_is_found_within_sixty_flows(loss: float) -> None:
    comes_back = (1 - loss) ** 2
    for seed in range(20):
        die = Random(f"dropper/{seed}")
        answered = sum(die.random() < comes_back for _ in range(300))
        others = Conduct(flows=300, answered=answered)
        assert standing_of(of(60, 0.0), others).place == "none"


# What is counted


@pytest.mark.parametrize(
    ("conduct", "word"),
    [
        (Conduct(replays=400), "replays"),
        (Conduct(rubbish=200), "make no sense"),
        (Conduct(lies=40), "contradictions"),
        (Conduct(frames=5_000, refused=4_900), "fair share"),
    ],
)
def test_replayers_babblers_liars_and_flooders_lose_their_place(conduct: Conduct, word: str) -> None:
    standing = standing_of(conduct)
    assert standing.place == "none"
    assert word in standing.reasons[0]


@pytest.mark.parametrize(
    "conduct",
    [
        Conduct(replays=30),
        Conduct(frames=100_000, replays=4_000),  # a link that flaps
        Conduct(rubbish=16),
        Conduct(lies=3),  # it rebooted
        Conduct(frames=5_000, refused=2_000),  # it heeds losses
        Conduct(frames=150, refused=150),  # a short burst
        Conduct(acks_due=1_000, acks_missed=550),
        Conduct(asked=15, failed=15),
    ],
)
def test_what_honest_nodes_do_by_accident_is_overlooked(conduct: Conduct) -> None:
    assert standing_of(conduct) == GOOD


def test_where_all_are_refused_alike_nobody_is_a_flooder() -> None:
    crowd = Conduct(frames=100_000, refused=97_000)
    assert standing_of(Conduct(frames=5_000, refused=4_900), crowd) == GOOD


@pytest.mark.parametrize("conduct", [Conduct(acks_due=500, acks_missed=500), Conduct(asked=300, failed=300)])
def test_silence_alone_costs_the_first_rank_and_never_the_place(conduct: Conduct) -> None:
    assert standing_of(conduct).place == "last"


def test_several_small_misdeeds_add_up() -> None:
    small = Conduct(replays=130, rubbish=65, lies=12)
    assert all(
        standing_of(replace(NO_CONDUCT, **{name: getattr(small, name)})).place != "none"
        for name in ("replays", "rubbish", "lies")
    )
    standing = standing_of(small)
    assert standing.place == "none"
    assert len(standing.reasons) == 3


# Contacts, and coming back


def test_a_contact_gets_more_patience() -> None:
    for conduct in (Conduct(lies=14), Conduct(replays=180)):
        assert standing_of(conduct).place != "full"
        assert standing_of(conduct, contact=True).place == "full"


def test_silence_costs_a_contact_its_rank_as_soon_and_its_place_later() -> None:
    assert standing_of(of(20, 0.0), contact=True).place == "last"
    assert standing_of(of(60, 0.0)).place == "none"
    assert standing_of(of(30, 0.0)).score < standing_of(of(30, 0.0), contact=True).score


def test_a_contact_is_not_immune() -> None:
    for conduct in (of(120, 0.0), Conduct(lies=60), Conduct(replays=700)):
        assert standing_of(conduct, contact=True).place == "none"


def test_one_that_mends_its_ways_comes_back_step_by_step() -> None:
    """Its counts halve with each half-life; nothing new is sent through it meanwhile."""
    conduct, place, story = of(80, 0.0), standing_of(of(80, 0.0)).place, list[Place]()
    for _ in range(6):
        story.append(place)
        conduct = replace(conduct, flows=conduct.flows / 2)
        place = standing_of(conduct, before=place).place
    assert story[0] == "none"
    assert place == "full"
    assert story == sorted(story, key=["none", "last", "full"].index)


def test_a_place_does_not_flap_at_its_threshold() -> None:
    limits = TrustLimits()
    just = limits.lies.overlooked + (limits.lies.ruin - limits.lies.overlooked) * 0.35
    conduct = Conduct(lies=just)
    assert standing_of(conduct).place == "full"
    assert standing_of(conduct, before="last").place == "last"
    assert standing_of(NO_CONDUCT, before="none").place == "full"


# For any evidence


counts = st.floats(0, 1e9)


@given(
    it=st.builds(Conduct, *[counts] * 12),
    others=st.builds(Conduct, *[counts] * 12),
    contact=st.booleans(),
    before=st.sampled_from(["full", "last", "none"]),
)
def test_any_evidence_has_a_standing(it: Conduct, others: Conduct, *, contact: bool, before: Place) -> None:
    standing = standing_of(it, others, contact=contact, before=before)
    assert 0.0 <= standing.score <= 1.0
    assert standing.cost_factor >= 1.0
    assert (standing.place == "none") == isinf(standing.cost_factor)
    assert standing.score == 1.0 or standing.reasons


@given(st.floats(0, 1e6), st.floats(0, 1))
def test_a_rate_lies_within_its_interval(trials: float, rate: float) -> None:
    low, high = wilson(trials * rate, trials, 2.6)
    assert 0.0 <= low <= high <= 1.0
    assert trials == 0.0 or low - 1e-9 <= rate <= high + 1e-9
