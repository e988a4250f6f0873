"""The search over four numbers or three: what it finds is right, different, found once, and nearly all there is."""

from collections import defaultdict
from functools import cache
from itertools import combinations, permutations

import pytest
from countdown_world import named

from asyncthink.randomness import keyed
from asyncthink.tasks import countdown, expressions
from asyncthink.tasks.countdown_search import BRANCH_NAMES, LARGEST_RESULT, VERDICTS, branches, solution_counts

SETS = keyed("sets").sample(list(combinations(range(17, 0, -1), 4)), 40)
THREES = keyed("threes").sample(list(combinations(range(17, 0, -1), 3)), 20)


def in_range(values):
    """Brute force: take any two, put an operation between them, go on; all results are whole, 0 to LARGEST_RESULT."""
    if len(values) == 1:
        yield values[0]
    for (i, (a, x)), (j, (b, y)) in permutations(enumerate(values), 2):
        others = [value for place, value in enumerate(values) if place not in (i, j)]
        results = {"+": a + b, "-": a - b, "*": a * b, "/": a // b if b and a % b == 0 else -1}
        for operation in results if i < j else "-/":
            if 0 <= results[operation] <= LARGEST_RESULT:
                yield from in_range([*others, (results[operation], f"({x}{operation}{y})")])


@cache
def solutions(numbers):
    """Target -> every expression that reaches it in that range, in canonical form."""
    reached = defaultdict(set)
    for value, text in in_range([(number, str(number)) for number in numbers]):
        reached[value].add(expressions.read(text).text)
    return reached


@pytest.mark.parametrize("numbers", [*SETS[:10], *THREES[:5]])
def test_every_solution_takes_each_number_once_and_reaches_the_target(numbers):
    for target in range(1, 61):
        found = [solution for branch in branches(numbers) for solution in branch.hits(target)]
        item = {"numbers": list(numbers), "target": target, "required": 8}
        for start in range(0, len(found), 8):
            part = found[start : start + 8]
            assert countdown.score(item, " ; ".join(part))["correct"] == len(part)


@pytest.mark.parametrize("numbers", [*SETS, *THREES])
def test_no_solution_is_found_twice_and_all_are_among_those_of_brute_force(numbers):
    for target in (1, 7, 24, 60):
        found = [expressions.read(s).text for branch in branches(numbers) for s in branch.hits(target)]
        assert len(set(found)) == len(found)
        assert set(found) <= solutions(numbers)[target]


@pytest.mark.parametrize("sets", [SETS, THREES])
def test_the_search_misses_few_of_the_solutions_that_keep_its_range(sets):
    found = known = 0
    for numbers in sets:
        for target in range(1, 61):
            found += solution_counts(numbers)[target]
            known += len(solutions(numbers)[target])
    assert 0.9 < found / known < 1


@pytest.mark.parametrize("numbers", [*SETS, *THREES])
def test_a_result_that_is_a_goal_is_a_hit_of_its_verdict_and_no_other_is(numbers):
    for target in (3, 24, 36):
        for line in (line for branch in branches(numbers) for line in branch.lines):
            goals = line.goals(target)
            assert {verdict for verdict, _ in goals} <= {*VERDICTS, "!"}
            for move in line.moves:
                allowed = {final.verdict for final in move.finals}
                hits = {final.verdict for final in move.hits(target)}
                assert hits == {verdict for verdict, goal in goals if goal == move.result} & allowed


def test_branches_are_all_first_steps_with_the_larger_number_first():
    names = [branch.name for branch in branches((8, 6, 4, 3))]
    assert [named(name, (8, 6, 4, 3)) for name in names[:4]] == ["8+6", "8-6", "8*6", "8+4"]
    assert names[:4] == ["a+b", "a-b", "a*b", "a+c"]
    assert "a/c" in names and "a/b" not in names
    assert len(names) == len(set(names))


@pytest.mark.parametrize("numbers", [*SETS, *THREES])
def test_a_branch_is_named_by_the_letters_of_its_numbers(numbers):
    steps = {}
    for a, b in combinations(range(len(numbers)), 2):
        large, small = numbers[a], numbers[b]
        results = {"+": large + small, "-": large - small, "*": large * small, "/": large / small}
        for operation, result in results.items():
            if result in range(1, LARGEST_RESULT + 1):
                steps["abcd"[a] + operation + "abcd"[b]] = (large, operation, small, result)
    for order in (numbers, numbers[::-1]):
        own = branches(order)
        assert {branch.name: (branch.left, branch.operation, branch.right, branch.result) for branch in own} == steps
        assert len(own) == len(steps)


def test_puzzles_share_a_few_names_of_branches_and_have_no_others():
    assert len(BRANCH_NAMES) == len(set(BRANCH_NAMES)) == 6 * 4
    assert {branch.name for numbers in SETS for branch in branches(numbers)} == set(BRANCH_NAMES)
