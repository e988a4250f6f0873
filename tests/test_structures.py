"""Structures are legal and diverse."""

from collections import Counter
from dataclasses import replace

import pytest
from countdown_world import ITEMS, committed, demonstrations, settings_with
from hypothesis import given, settings
from hypothesis import strategies as st

from asyncthink import protocol, schedule
from asyncthink.config import params
from asyncthink.randomness import keyed
from asyncthink.synthesis import format_filter, structures
from asyncthink.tasks import countdown_puzzles


def actions_of(structure):
    kinds = {"T": lambda _: protocol.Think("x"), "A": lambda _: protocol.Answer("x")}
    kinds |= {"F": lambda i: protocol.Fork(int(i), "x"), "J": lambda i: protocol.Join(int(i))}
    return [kinds[action[0]](action[1:]) for action in structure]


share = st.floats(0, 1)


@settings(max_examples=300, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    capacity=st.integers(1, 6),
    forks=st.tuples(st.integers(0, 8), st.integers(0, 8)).map(sorted),
    shares=st.tuples(share, share).filter(lambda both: both[0] <= round(1 - both[1], 9)),
    order=st.sampled_from(["first_in_first_out", "random"]),
    overlap=share,
    think=st.tuples(share, share).map(sorted),
)
def test_every_structure_is_legal_under_its_capacity(seed, capacity, forks, shares, order, overlap, think):
    chosen = replace(
        settings_with().synthesize,
        interleaved=shares[0],
        batch=shares[1],
        fewest_forks=forks[0],
        most_forks=forks[1],
        join_order=order,
        overlap=overlap,
        least_think_share=think[0],
        most_think_share=think[1],
    )
    structure = structures.sample(keyed(seed), chosen, capacity)
    forked = [int(action[1:]) for action in structure if action[0] == "F"]
    joined = [int(action[1:]) for action in structure if action[0] == "J"]
    assert schedule.format_error(actions_of(structure), capacity) is None
    assert structures.followed(actions_of(structure)) == structure
    assert forked == list(range(1, len(forked) + 1)) and sorted(joined) == forked
    assert structure[-1] == "A" and structure.count("A") == 1
    assert len(forked) == 0 if capacity == 1 else forks[0] <= len(forked) <= forks[1]
    if order == "first_in_first_out":
        assert joined == forked


def test_with_full_overlap_the_organizer_thinks_only_while_a_worker_runs():
    chosen = replace(settings_with().synthesize, overlap=1.0, least_think_share=1.0)
    for seed in range(50):
        running = 0
        for action in structures.sample(keyed(seed), chosen, 4):
            running += {"F": 1, "J": -1}.get(action[0], 0)
            assert action != "T" or running


@pytest.mark.parametrize(
    ("structure", "kind"),
    [
        ("T A", "none"),
        ("F1 J1 A", "interleaved"),
        ("T F1 T J1 F2 J2 A", "interleaved"),
        ("F1 F2 J1 J2 A", "batch"),
        ("F1 F2 T J2 J1 A", "batch"),
        ("F1 F2 J1 J2 F3 F4 J3 J4 A", "batch"),
        ("F1 F2 J1 J2 F3 J3 A", "batch"),
        ("F1 J1 F2 F3 J2 J3 A", "other"),
        ("F1 F2 J1 F3 J2 J3 A", "other"),
    ],
)
def test_a_structure_has_the_class_of_its_topology(structure, kind):
    assert structures.topology_class(structure.split()) == kind


def test_random_structures_hold_more_topologies_than_the_two_of_an_unguided_teacher():
    def report(**shares):
        chosen = settings_with(synthesize=shares, thinking={"capacity": 4})
        shown = demonstrations(chosen, "asynchronous", ITEMS)
        return format_filter.topologies([structures.topology(each.structure) for each in shown])

    guided, unguided = report(), report(interleaved=0.5, batch=0.5, most_forks=2, systematic_share=0.0)
    assert guided["beyond_the_two"] >= 10
    assert unguided["classes"]["other"]["demonstrations"] < 30  # an answer may come before the last Join
    assert sum(kind["demonstrations"] for kind in guided["classes"].values()) == 300
    assert sum(kind["distinct"] for kind in guided["classes"].values()) == guided["distinct"]


def test_some_demonstrations_of_nano_fork_as_often_as_a_model_can():
    """What too few of them show goes wrong: after a cold start with sub-queries of one size it miscounted its Forks."""
    nano = params.from_mapping(params.merged(committed(), {"synthesize": {"demonstrations": 600}}))
    items = countdown_puzzles.drawn(nano.puzzles, 0, "train", 200)
    forks = Counter(text.organizer.count("<FORK") for text in demonstrations(nano, "asynchronous", items))
    assert max(forks) > 10 and sum(forks[number] for number in range(9, 17)) > 20
