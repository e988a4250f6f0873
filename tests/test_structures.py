"""Structures are legal and diverse, and the branches of a search cover all of it."""

from collections import Counter
from dataclasses import replace

import pytest
from countdown_world import ITEMS, demonstrations, same, settings_with
from hypothesis import given, settings
from hypothesis import strategies as st

from asyncthink import protocol, schedule
from asyncthink.randomness import keyed
from asyncthink.synthesis import format_filter, search, structures
from asyncthink.tasks import solver


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
    think=share,
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
        think_share=think,
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
    chosen = replace(settings_with().synthesize, overlap=1.0, think_share=1.0)
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
        return format_filter.topologies(list(demonstrations(chosen, "asynchronous", ITEMS)))

    guided, unguided = report(), report(interleaved=0.5, batch=0.5)
    assert guided["beyond_the_two"] >= 10
    assert unguided["beyond_the_two"] == 0 and unguided["classes"]["other"]["demonstrations"] == 0
    assert sum(kind["demonstrations"] for kind in guided["classes"].values()) == 300
    assert sum(kind["distinct"] for kind in guided["classes"].values()) == guided["distinct"]


@pytest.mark.parametrize("count", range(2, 9))
def test_the_branches_begin_with_every_pair_and_operation_exactly_once(count):
    numbers = list(range(2, 2 + count))
    world = search.World(2, "+-*/", 10**6)
    lines = [step for branch in search.branches(numbers) for step in search.steps(branch, -1, world)]
    found = Counter((frozenset((step.left, step.right)), step.operation) for step in lines)
    assert set(found.values()) == {1}
    assert len(found) == count * (count - 1) // 2 * 4


@pytest.mark.parametrize(
    ("numbers", "uses"), [([2, 3, 5, 7], 3), ([1, 3, 4, 6], 4), ([2, 2, 5, 9], 3), ([1, 2, 3, 4, 8], 3)]
)
def test_a_deep_search_finds_every_solution_without_void_steps(numbers, uses):
    def made(values_left, size):
        """All (expression, value) of `size` numbers, by joining any two results in any order."""
        if size == 1:
            yield from ((f"{value}", value, frozenset([place])) for place, value in values_left)
            return
        for cut in range(1, size):
            for a, x, p in made(values_left, cut):
                for b, y, q in made(values_left, size - cut):
                    if not p & q:
                        for operation, value in (("+", x + y), ("-", x - y), ("*", x * y)):
                            if 0 <= value <= 40:
                                yield f"( {a} ) {operation} ( {b} )", value, p | q

    world = search.World(uses, "+-*", 40)
    everything = {(same(text), value) for text, value, _ in made(list(enumerate(numbers)), uses)}
    for target in (0, 1, 7, 24, 30):
        found = {
            same(step.expression)
            for branch in search.branches(numbers)
            for step in search.steps(branch, target, world)
            if step.hit
        }
        assert found == {text for text, value in everything if value == target}


@pytest.mark.parametrize("uses", [2, 3, 4])
def test_a_deep_search_finds_what_the_solver_of_the_task_counts(uses):
    for seed in range(12):
        rng = keyed("deep", uses, seed)
        numbers, target = rng.choices(range(1, 10), k=4), rng.randint(1, 30)
        found = {
            same(step.expression)
            for branch in search.branches(numbers)
            for step in search.steps(branch, target, search.World(uses, "+-*/", 100))
            if step.hit
        }
        assert found == set(solver.solutions(numbers, target, "+-*/", 100, uses))
